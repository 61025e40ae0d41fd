// What every route works with: the deps, bounded waiting, connectors by name, and one view of the cluster for all.
import {
  type ClusterView,
  type ConnectorEntry,
  type ControlState,
  clusterView,
  type HealthContext,
  isMillraceError,
  mapInPieces,
} from '@millrace/core'
import { ApiError, notFound } from './api-error.ts'
import type { ApiDeps } from './deps.ts'

/** Connect gives up after 90 s; nothing here takes that long unless Kafka is away. */
export const REQUEST_TIMEOUT_MS = 30_000
/** How long a read waits to be sure that a connector really does not exist. */
const LOOKUP_TIMEOUT_MS = 2_000
/** Reports are read at most this often, however many ask: status exporters poll by the hundred. */
const VIEW_AGE_MAX_MS = 200
const VIEW_TIMEOUT_MS = 2_000
/** While Redis is away the last view is shown; after this it would be a lie. */
const VIEW_STALE_MAX_MS = 30_000

export class Context {
  readonly deps: ApiDeps
  readonly #closing: AbortSignal
  #view: { readonly view: ClusterView; readonly atMs: number } | null = null
  #loading: Promise<ClusterView> | null = null

  constructor(deps: ApiDeps, closing: AbortSignal) {
    this.deps = deps
    this.#closing = closing
  }

  /** The connector; reads to the end of the config log before saying that there is none, so that any worker may be asked. */
  async connector(name: string, notFoundMessage = `Connector ${name} not found`): Promise<ConnectorEntry> {
    const entry = await this.lookUp(name)
    if (entry === undefined) throw notFound(notFoundMessage)
    return entry
  }

  async lookUp(name: string): Promise<ConnectorEntry | undefined> {
    return this.deps.configStore.read().connectors.get(name) ?? (await this.catchUp()).connectors.get(name)
  }

  /** As of the end of the config log; where that does not answer soon, as this worker knows it. */
  async catchUp(): Promise<ControlState> {
    try {
      return await this.within(LOOKUP_TIMEOUT_MS, 'reading the config topic', signal =>
        this.deps.configStore.refresh({ signal }),
      )
    } catch (error) {
      this.deps.logger.debug({ err: error }, 'The config topic does not answer; the local replica decides.')
      return this.deps.configStore.read()
    }
  }

  /** Runs work that is told to stop when the time is up or the server closes; answers 500 in Connect's words then. */
  async within<T>(timeoutMs: number, stage: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { clock, timers } = this.deps
    const done = new AbortController()
    const late = new AbortController()
    const began = new Date(clock.nowMs()).toISOString()
    const timedOut = new ApiError(
      500,
      `Request timed out. The worker is currently ${stage}, which began at ${began}. The operation may still complete.`,
    )
    const timer = timers.sleep(timeoutMs, { signal: done.signal }).then(
      () => late.abort(timedOut),
      () => {},
    )
    const signal = AbortSignal.any([late.signal, this.#closing])
    const aborted = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      if (signal.aborted) reject(signal.reason)
    })
    try {
      return await Promise.race([work(signal), aborted])
    } finally {
      done.abort()
      await timer
    }
  }

  /** Reports and assignment, at most VIEW_AGE_MAX_MS old; without Redis the last known for a while, then nothing. */
  async view(): Promise<ClusterView> {
    const nowMs = this.deps.clock.monotonicMs()
    if (this.#view !== null && nowMs - this.#view.atMs <= VIEW_AGE_MAX_MS) return this.#view.view
    this.#loading ??= this.#load().finally(() => {
      this.#loading = null
    })
    try {
      return await this.#loading
    } catch (error) {
      return this.#lastKnown(error)
    }
  }

  /** All that are looked at for one answer: of thousands of connectors other requests do not wait for the last. */
  inPieces<T, R>(items: Iterable<T>, of: (item: T) => R): Promise<readonly R[]> {
    return mapInPieces(items, of, this.deps, { signal: this.#closing })
  }

  healthContext(): HealthContext {
    const { stallMs, absentSinceMs, boardAwaySinceMs } = this.deps.watch
    return { nowMs: this.deps.clock.nowMs(), stallMs, absentSinceMs, boardAwaySinceMs }
  }

  async #load(): Promise<ClusterView> {
    const { cluster, clock, worker } = this.deps
    const [reports, assignment] = await this.within(VIEW_TIMEOUT_MS, 'reading the status board', signal =>
      Promise.all([cluster.reports({ signal }), cluster.assignment({ signal })]),
    )
    const view = clusterView(reports, assignment, worker.advertised)
    this.#view = { view, atMs: clock.monotonicMs() }
    return view
  }

  #lastKnown(error: unknown): ClusterView {
    const { clock, logger, worker } = this.deps
    const code = isMillraceError(error) ? error.code : undefined
    logger.debug({ code, err: error }, 'The status board does not answer.')
    if (this.#view !== null && clock.monotonicMs() - this.#view.atMs <= VIEW_STALE_MAX_MS) return this.#view.view
    return clusterView([], null, worker.advertised)
  }
}
