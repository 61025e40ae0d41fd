// What one worker process runs: a supervisor for every partition whose lease it holds, as the control state says.
import {
  type ConnectorEntry,
  type ControlState,
  type KafkaOffset,
  type LeaseLost,
  type PartitionAssignment,
  type PartitionReport,
  partitionResource,
  restartToken,
  type TopicPartition,
} from '@millrace/core'
import { OffsetPublisher, type OffsetPublisherDeps } from './offset-publisher.ts'
import { PartitionSupervisor, type SupervisorDeps } from './partition-supervisor.ts'
import { SharedRuntimes } from './shared-runtimes.ts'

export type WorkerDeps = Omit<SupervisorDeps, 'runtimes' | 'onProgress'> & Pick<OffsetPublisherDeps, 'offsetFlushMs'>

/** The view of lag tools is not worth more of a move. */
const PUBLISH_LAST_MS = 2_000

type Running = {
  readonly supervisor: PartitionSupervisor
  readonly entry: ConnectorEntry
  readonly assignment: PartitionAssignment
}

export class Worker {
  readonly #deps: SupervisorDeps
  readonly #offsets: OffsetPublisher
  /** By partition resource; one per partition this worker has or is letting go of. */
  readonly #running = new Map<string, Running>()
  readonly #lettingGo = new Map<string, Promise<void>>()
  readonly #runtimes = new SharedRuntimes()
  #control: ControlState = { connectors: new Map(), deleted: new Map() }
  /** Partitions whose lease we hold, by resource; bounded by the assignment. */
  readonly #held = new Map<string, PartitionAssignment>()
  #takeoversBefore = 0

  constructor(deps: WorkerDeps) {
    this.#offsets = new OffsetPublisher({ ...deps, groupOffsets: deps.services.groupOffsets })
    this.#deps = {
      ...deps,
      runtimes: this.#runtimes,
      onProgress: (group: string, tp: TopicPartition, next: KafkaOffset) => this.#offsets.note(group, tp, next),
    }
  }

  /** Publishes committed offsets until aborted. */
  run(options: { signal: AbortSignal }): Promise<void> {
    return this.#offsets.run(options)
  }

  setControl(control: ControlState): void {
    this.#control = control
    this.#converge()
  }

  /** The lease is ours: work on it from now on, if its connector is to run. */
  start(assignment: PartitionAssignment): void {
    this.#held.set(resourceOf(assignment), assignment)
    this.#converge()
  }

  /** The same work under another task number. */
  relabel(assignment: PartitionAssignment): void {
    this.#held.set(resourceOf(assignment), assignment)
    this.#running.get(resourceOf(assignment))?.supervisor.relabel(assignment)
  }

  /** Assigned elsewhere: stop fetching, drain, release the claim. Resolves when nothing more will be written. */
  async drain(assignment: PartitionAssignment): Promise<void> {
    this.#held.delete(resourceOf(assignment))
    this.#converge()
    await this.#lettingGo.get(resourceOf(assignment))
  }

  /** Somebody else holds the lease: stop at once, write nothing more. */
  async abandon(assignment: PartitionAssignment, reason: LeaseLost): Promise<void> {
    const resource = resourceOf(assignment)
    this.#held.delete(resource)
    const running = this.#running.get(resource)
    if (running !== undefined) {
      this.#end(
        resource,
        running,
        running.supervisor.abandon(reason).then(() => {
          const group = this.#groupOf(running.entry)
          if (group !== null) this.#offsets.drop(group, assignment)
        }),
      )
    }
    await this.#lettingGo.get(resource)
  }

  /** Starts the partitions of a connector anew, on this worker only: what its config stands for here has changed. */
  restart(connector: string): void {
    for (const [resource, running] of this.#running) {
      if (running.entry.name !== connector) continue
      this.#runtimes.forget(running.entry)
      this.#end(resource, running, running.supervisor.stop())
    }
  }

  /** Whether this worker has partitions of that incarnation to work on. */
  isRunning(connector: string, incarnation: string): boolean {
    const entry = this.#control.connectors.get(connector)
    if (entry?.incarnation !== incarnation || entry.targetState !== 'STARTED') return false
    return [...this.#held.values()].some(assignment => assignment.connector === connector)
  }

  reports(): readonly PartitionReport[] {
    const running = [...this.#running.values()].map(({ supervisor }) => supervisor.report())
    return [...running, ...this.#pausedReports()]
  }

  get takeovers(): number {
    return [...this.#running.values()].reduce(
      (sum, { supervisor }) => sum + supervisor.takeovers,
      this.#takeoversBefore,
    )
  }

  /** Committed offsets as of now: the last word of an orderly shutdown. */
  publishOffsets(options: { signal: AbortSignal }): Promise<void> {
    return this.#offsets.publish(options)
  }

  /** Starts what is wanted and not there, lets go of what is there and not wanted; one that changed does both, in turn. */
  #converge(): void {
    const wanted = this.#wanted()
    for (const [resource, running] of this.#running) {
      const want = wanted.get(resource)
      if (want !== undefined && restartToken(want.entry, want.assignment.taskId) === running.supervisor.token) continue
      const { supervisor, entry } = running
      const ending = this.#isDeleted(entry) ? supervisor.delete() : supervisor.stop()
      this.#end(
        resource,
        running,
        ending.then(() => this.#publishLast(running)),
      )
    }
    for (const [resource, want] of wanted) {
      if (this.#running.has(resource) || this.#lettingGo.has(resource)) continue
      const supervisor = new PartitionSupervisor(want.entry, want.assignment, this.#deps)
      this.#running.set(resource, { supervisor, ...want })
      supervisor.start()
    }
  }

  #wanted(): ReadonlyMap<string, { entry: ConnectorEntry; assignment: PartitionAssignment }> {
    const wanted = new Map<string, { entry: ConnectorEntry; assignment: PartitionAssignment }>()
    for (const [resource, assignment] of this.#held) {
      const entry = this.#control.connectors.get(assignment.connector)
      if (entry === undefined || entry.incarnation !== assignment.incarnation || entry.targetState !== 'STARTED')
        continue
      wanted.set(resource, { entry, assignment })
    }
    return wanted
  }

  #isDeleted({ name, incarnation }: ConnectorEntry): boolean {
    return this.#control.deleted.get(name)?.incarnations.includes(incarnation) ?? false
  }

  /** Its lease stays ours until the group has heard the last of us: later commits could contradict an alteration. */
  async #publishLast({ entry, assignment }: Running): Promise<void> {
    const group = this.#groupOf(entry)
    if (group === null) return
    const { lifetime, timers } = this.#deps
    const over = new AbortController()
    const tooLong = timers
      .sleep(PUBLISH_LAST_MS, { signal: over.signal })
      .then(() => over.abort())
      .catch(() => {})
    await this.#offsets.letGo(group, assignment, { signal: AbortSignal.any([lifetime, over.signal]) })
    over.abort()
    await tooLong
  }

  #groupOf(entry: ConnectorEntry): string | null {
    try {
      return this.#deps.services.parseConfig(entry).consumer.groupId
    } catch {
      return null // it never ran
    }
  }

  #end(resource: string, { supervisor }: Running, ending: Promise<void>): void {
    this.#running.delete(resource)
    // Whatever went wrong in it, it is over: nobody else would ever begin here.
    const over = ending.catch(error => this.#deps.logger.error({ resource, err: error }, 'Letting go went wrong.'))
    const gone = over.then(() => {
      this.#takeoversBefore += supervisor.takeovers
      this.#lettingGo.delete(resource)
      this.#converge()
    })
    this.#lettingGo.set(resource, gone)
  }

  /** A paused connector keeps its tasks; its partitions are let go and reported as PAUSED. */
  #pausedReports(): readonly PartitionReport[] {
    return [...this.#held].flatMap(([resource, assignment]) => {
      const entry = this.#control.connectors.get(assignment.connector)
      if (entry === undefined || entry.incarnation !== assignment.incarnation || entry.targetState !== 'PAUSED')
        return []
      const { topic, partition, taskId } = assignment
      if (this.#lettingGo.has(resource)) return []
      return [
        {
          connector: entry.name,
          incarnation: entry.incarnation,
          topic,
          partition,
          taskId,
          state: 'PAUSED',
          epoch: 0,
          nextOffset: null,
          endOffset: null,
          lag: null,
          inFlightRows: 0,
          streams: [],
          takeovers: 0,
          rowsTotal: 0,
          deadLettersTotal: 0,
          droppedTotal: 0,
          failures: 0,
        },
      ]
    })
  }
}

const resourceOf = (assignment: PartitionAssignment): string => partitionResource(assignment.connector, assignment)
