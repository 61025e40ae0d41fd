// What one worker process runs: a supervisor for every partition assigned to it, as the control state and the assignment say.
import {
  type ConnectorEntry,
  type ControlState,
  type KafkaOffset,
  type PartitionAssignment,
  type PartitionReport,
  partitionResource,
  type TopicPartition,
} from '@millrace/core'
import type { ConnectorRuntime } from './connector-runtime.ts'
import { OffsetPublisher } from './offset-publisher.ts'
import { PartitionSupervisor, type SupervisorDeps, supervisionToken } from './partition-supervisor.ts'

export type WorkerDeps = Omit<SupervisorDeps, 'runtimeOf' | 'onProgress'>

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
  /** By connector generation: its partitions share one runtime. A failed opening is not kept. */
  readonly #runtimes = new Map<string, Promise<ConnectorRuntime>>()
  #control: ControlState = { connectors: new Map(), deleted: new Map() }
  #assigned: readonly PartitionAssignment[] = []
  #takeoversBefore = 0
  #isStopping = false

  constructor(deps: WorkerDeps) {
    this.#offsets = new OffsetPublisher({ ...deps, groupOffsets: deps.services.groupOffsets })
    this.#deps = {
      ...deps,
      runtimeOf: (entry, open) => this.#runtimeOf(entry, open),
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

  /** The partitions this worker should have, all of them. */
  setAssigned(assigned: readonly PartitionAssignment[]): void {
    this.#assigned = assigned
    this.#converge()
  }

  reports(): readonly PartitionReport[] {
    const running = [...this.#running.values()].map(({ supervisor }) => supervisor.report())
    return [...running, ...this.#pausedReports()]
  }

  get takeovers(): number {
    return [...this.#running.values()].reduce(
      (sum, { supervisor }) => sum + supervisor.report().takeovers,
      this.#takeoversBefore,
    )
  }

  /** Drains and releases everything; resolves when it is done or its grace is over. */
  async stop(): Promise<void> {
    this.#isStopping = true
    this.#converge()
    await Promise.all(this.#lettingGo.values())
    await this.#offsets.publish({ signal: new AbortController().signal })
  }

  /** Starts what is wanted and not there, lets go of what is there and not wanted; one that changed does both, in turn. */
  #converge(): void {
    const wanted = this.#wanted()
    for (const [resource, running] of this.#running) {
      const want = wanted.get(resource)
      if (want !== undefined && supervisionToken(want.entry, want.assignment) === running.supervisor.token) continue
      this.#letGo(resource, running)
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
    if (this.#isStopping) return wanted
    for (const assignment of this.#assigned) {
      const entry = this.#control.connectors.get(assignment.connector)
      if (entry === undefined || entry.incarnation !== assignment.incarnation || entry.targetState !== 'STARTED')
        continue
      wanted.set(partitionResource(entry.name, assignment), { entry, assignment })
    }
    return wanted
  }

  #letGo(resource: string, { supervisor }: Running): void {
    this.#running.delete(resource)
    const gone = supervisor.stop().then(() => {
      this.#takeoversBefore += supervisor.report().takeovers
      this.#lettingGo.delete(resource)
      this.#converge()
    })
    this.#lettingGo.set(resource, gone)
  }

  /** A paused connector keeps its tasks; its partitions are let go and reported as PAUSED. */
  #pausedReports(): readonly PartitionReport[] {
    return this.#assigned.flatMap(assignment => {
      const entry = this.#control.connectors.get(assignment.connector)
      if (entry === undefined || entry.incarnation !== assignment.incarnation || entry.targetState !== 'PAUSED')
        return []
      const { topic, partition, taskId } = assignment
      if (this.#lettingGo.has(partitionResource(entry.name, assignment))) return []
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

  #runtimeOf(entry: ConnectorEntry, open: () => Promise<ConnectorRuntime>): Promise<ConnectorRuntime> {
    const key = `${entry.incarnation}.${entry.configGeneration}.${entry.restarts.connector}.${entry.restarts.allTasks}`
    const known = this.#runtimes.get(key)
    if (known !== undefined) return known
    for (const old of this.#runtimes.keys()) if (old.startsWith(`${entry.incarnation}.`)) this.#runtimes.delete(old)
    const opened = open()
    this.#runtimes.set(key, opened)
    opened.catch(() => this.#runtimes.delete(key)) // the caller reports it; the next attempt opens anew
    return opened
  }
}
