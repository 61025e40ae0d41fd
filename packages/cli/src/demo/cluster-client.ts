// The cluster's REST API as the demo uses it: whichever worker answers. A frozen one does not, so each is asked briefly.
import { requestJson } from './http-json.ts'

const ASK_TIMEOUT_MS = 1_500

export type PartitionShape = {
  readonly topic: string
  readonly partition: number
  readonly worker: string
  readonly state: string
  readonly epoch: number
  readonly lag: number | null
  readonly inFlightRows: number
  readonly takeovers: number
  readonly trace: string | null
}

export class ClusterClient {
  readonly #urls: () => readonly string[]
  /** Takeovers by worker and partition: a worker that was killed no longer reports its own. */
  readonly #takeovers = new Map<string, number>()

  /** `urls`: REST addresses of the workers believed to be alive. */
  constructor(urls: () => readonly string[]) {
    this.#urls = urls
  }

  async createConnector(
    name: string,
    config: Readonly<Record<string, string>>,
    options: { signal: AbortSignal },
  ): Promise<void> {
    const [url] = this.#urls()
    await requestJson('POST', `${url}/connectors`, { name, config }, options)
  }

  /** null when no worker answers just now. */
  async partitions(connector: string, options: { signal: AbortSignal }): Promise<readonly PartitionShape[] | null> {
    for (const url of this.#urls()) {
      try {
        const path = `${url}/api/v1/connectors/${connector}/partitions`
        const partitions = decode(await requestJson('GET', path, null, { ...options, timeoutMs: ASK_TIMEOUT_MS }))
        for (const p of partitions) {
          const key = `${p.worker} ${p.topic}-${p.partition}`
          this.#takeovers.set(key, Math.max(this.#takeovers.get(key) ?? 0, p.takeovers))
        }
        return partitions
      } catch {
        options.signal.throwIfAborted()
      }
    }
    return null
  }

  /** Partitions recovered from an unreleased claim, as seen so far. */
  takeovers(): number {
    let sum = 0
    for (const count of this.#takeovers.values()) sum += count
    return sum
  }

  /** The random id of the worker process behind this address. */
  async workerId(url: string, options: { signal: AbortSignal }): Promise<string> {
    const answer = (await requestJson('GET', `${url}/api/v1/worker`, null, options)) as { worker?: unknown }
    return String(answer.worker)
  }
}

function decode(answer: unknown): PartitionShape[] {
  const { partitions } = answer as { partitions: readonly Record<string, unknown>[] }
  return partitions.map(p => ({
    topic: String(p.topic),
    partition: Number(p.partition),
    worker: String(p.worker),
    state: String(p.state),
    epoch: Number(p.epoch),
    lag: p.lag === null ? null : Number(p.lag),
    inFlightRows: Number(p.in_flight_rows ?? 0),
    takeovers: Number(p.takeovers ?? 0),
    trace: typeof p.trace === 'string' ? p.trace : null,
  }))
}
