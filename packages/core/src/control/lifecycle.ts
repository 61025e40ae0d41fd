// Kafka Connect's connector and task states, derived from what was asked for (control state), who should work (assignment)
// and what the workers say (reports). Nothing here is stored: a view, as fresh as the reports.
import { type TasksMax, taskCount } from '../assignment/assign.ts'
import { assertNever } from '../errors/error.ts'
import { formatTopicPartition, type WorkerId } from '../ids.ts'
import type { Assignment, PartitionAssignment, TaskAssignment } from '../ports/coordination.ts'
import { type ConnectorEntry, connectorRestartToken, restartToken } from './control-state.ts'
import type { ConnectorFailure, PartitionReport, WorkerReport } from './reports.ts'

export type ConnectorState = 'UNASSIGNED' | 'RUNNING' | 'PAUSED' | 'FAILED' | 'RESTARTING' | 'STOPPED'
export type TaskState = Exclude<ConnectorState, 'STOPPED'>

export type TaskStatus = {
  readonly id: number
  readonly state: TaskState
  /** `rest.advertised.host.name:port` of its worker. */
  readonly workerId: string
  /** Present when FAILED, and only then. */
  readonly trace?: string
}
export type ConnectorStatus = {
  readonly name: string
  readonly connector: { readonly state: ConnectorState; readonly workerId: string; readonly trace?: string }
  readonly tasks: readonly TaskStatus[]
}

/** One topic-partition of a connector: its latest report, its assignment, or both. */
export type PartitionView = {
  readonly topic: string
  readonly partition: number
  readonly taskId: number
  readonly worker: WorkerId
  readonly workerId: string
  readonly report: PartitionReport | null
}

/** All reports and the assignment, sorted by connector once, so that showing 1,000 connectors stays one pass. */
export type ClusterView = {
  /** By id. */
  readonly workers: readonly WorkerReport[]
  readonly workerOf: ReadonlyMap<WorkerId, WorkerReport>
  readonly reportsOf: ReadonlyMap<string, readonly ReportedPartition[]>
  readonly failuresOf: ReadonlyMap<string, readonly ReportedFailure[]>
  readonly partitionsOf: ReadonlyMap<string, readonly PartitionAssignment[]>
  readonly tasksOf: ReadonlyMap<string, readonly TaskAssignment[]>
  /** `worker_id` of the worker that answers: shown where no better one is known. */
  readonly self: string
  /** What partitionViews found: states, health and sums of a connector are made of the same. */
  readonly viewsOf: WeakMap<ConnectorEntry, readonly PartitionView[]>
}
type ReportedPartition = { readonly worker: WorkerReport; readonly report: PartitionReport }
type ReportedFailure = { readonly worker: WorkerReport; readonly failure: ConnectorFailure }

/** No list of tasks is longer than this, whatever the config says: 10,000 × 100 bytes. */
export const TASKS_SHOWN_MAX = 10_000

export function clusterView(
  reports: readonly WorkerReport[],
  assignment: Assignment | null,
  self: string,
): ClusterView {
  const workers = [...reports].sort((a, b) => compareText(a.worker, b.worker))
  return {
    workers,
    workerOf: new Map(workers.map(worker => [worker.worker, worker])),
    reportsOf: Map.groupBy(
      workers.flatMap(worker => worker.partitions.map(report => ({ worker, report }))),
      item => item.report.connector,
    ),
    failuresOf: Map.groupBy(
      workers.flatMap(worker => worker.connectorFailures.map(failure => ({ worker, failure }))),
      item => item.failure.connector,
    ),
    partitionsOf: Map.groupBy(assignment?.partitions ?? [], item => item.connector),
    tasksOf: Map.groupBy(assignment?.tasks ?? [], item => item.connector),
    self,
    viewsOf: new WeakMap(),
  }
}

/** `tasks.max` of a config that was validated; anything unreadable counts as the default, 1. */
export function tasksMaxOf(entry: ConnectorEntry): TasksMax {
  const text = entry.config['tasks.max']?.trim() ?? '1'
  if (text.toLowerCase() === 'auto') return 'auto'
  const count = Number(text)
  return Number.isInteger(count) && count >= 1 ? count : 1
}

/** The ids of the tasks that exist now: none when stopped, or created without being started. */
export function taskIds(entry: ConnectorEntry, cluster: ClusterView): readonly number[] {
  if (!entry.hasTasks) return []
  const tasksMax = tasksMaxOf(entry)
  const assigned = tasksMax === 'auto' ? assignedTasks(entry, cluster).length : 0
  const count = assigned || taskCount(tasksMax, partitionViews(entry, cluster).length, cluster.workers.length)
  return Array.from({ length: Math.min(count, TASKS_SHOWN_MAX) }, (_, id) => id)
}

export const assignedTasks = (entry: ConnectorEntry, cluster: ClusterView): readonly TaskAssignment[] =>
  (cluster.tasksOf.get(entry.name) ?? []).filter(task => task.incarnation === entry.incarnation)

/** Everything known about the connector's partitions, by topic and partition; other incarnations are left out. */
export function partitionViews(entry: ConnectorEntry, cluster: ClusterView): readonly PartitionView[] {
  const known = cluster.viewsOf.get(entry)
  if (known !== undefined) return known
  const found = findPartitions(entry, cluster)
  cluster.viewsOf.set(entry, found)
  return found
}

function findPartitions(entry: ConnectorEntry, cluster: ClusterView): readonly PartitionView[] {
  const views = new Map<string, PartitionView>()
  for (const assigned of cluster.partitionsOf.get(entry.name) ?? []) {
    if (assigned.incarnation === entry.incarnation)
      views.set(formatTopicPartition(assigned), assignedView(assigned, cluster))
  }
  for (const { worker, report } of cluster.reportsOf.get(entry.name) ?? []) {
    if (report.incarnation !== entry.incarnation) continue
    const key = formatTopicPartition(report)
    const known = views.get(key)
    if (known === undefined || isBetter(worker, report, known)) views.set(key, reportedView(worker, report))
  }
  return [...views.values()].sort((a, b) => compareText(a.topic, b.topic) || a.partition - b.partition)
}

/** Of two workers that report the same partition the one with the newer claim is right; before that, the assigned one. */
function isBetter(worker: WorkerReport, report: PartitionReport, known: PartitionView): boolean {
  if (known.report === null || report.epoch > known.report.epoch) return true
  return report.epoch === known.report.epoch && worker.worker > known.worker
}

function assignedView(assigned: PartitionAssignment, cluster: ClusterView): PartitionView {
  const owner = cluster.workerOf.get(assigned.worker)
  const { topic, partition, taskId, worker } = assigned
  return { topic, partition, taskId, worker, workerId: owner?.advertised ?? cluster.self, report: null }
}

function reportedView(worker: WorkerReport, report: PartitionReport): PartitionView {
  const { topic, partition, taskId } = report
  return { topic, partition, taskId, worker: worker.worker, workerId: worker.advertised, report }
}

export function connectorStatus(entry: ConnectorEntry, cluster: ClusterView): ConnectorStatus {
  const partitions = Map.groupBy(partitionViews(entry, cluster), view => view.taskId)
  const hosts = new Map(
    assignedTasks(entry, cluster).map(task => [task.taskId, cluster.workerOf.get(task.worker)?.advertised]),
  )
  const tasks = taskIds(entry, cluster).map(id =>
    taskStatus(entry, id, partitions.get(id) ?? [], hosts.get(id), cluster.self),
  )
  return { name: entry.name, connector: connectorPart(entry, cluster, tasks[0]?.workerId), tasks }
}

function connectorPart(
  entry: ConnectorEntry,
  cluster: ClusterView,
  workerOfFirstTask: string | undefined,
): ConnectorStatus['connector'] {
  const workerId = workerOfFirstTask ?? cluster.workers[0]?.advertised ?? cluster.self
  if (entry.targetState === 'STOPPED') return { state: 'STOPPED', workerId }
  const failed = (cluster.failuresOf.get(entry.name) ?? []).find(item => item.failure.incarnation === entry.incarnation)
  if (failed !== undefined) {
    const isCurrent = (failed.failure.restartToken ?? connectorRestartToken(entry)) === connectorRestartToken(entry)
    return isCurrent
      ? { state: 'FAILED', workerId: failed.worker.advertised, trace: failed.failure.trace }
      : { state: 'RESTARTING', workerId: failed.worker.advertised }
  }
  if (entry.targetState === 'PAUSED') return { state: 'PAUSED', workerId }
  return { state: cluster.workers.length === 0 ? 'UNASSIGNED' : 'RUNNING', workerId }
}

/** @param host `worker_id` of the live worker the task is assigned to. */
function taskStatus(
  entry: ConnectorEntry,
  id: number,
  partitions: readonly PartitionView[],
  host: string | undefined,
  self: string,
): TaskStatus {
  const states = partitions.map(view => partitionState(entry, view))
  const state = worst(states) ?? emptyTaskState(entry, host)
  const workerId = host ?? partitions[0]?.workerId ?? self
  const failed = state === 'FAILED' ? partitions[states.indexOf('FAILED')] : undefined
  return failed === undefined
    ? { id, state, workerId }
    : { id, state, workerId: failed.workerId, trace: traceOf(failed) }
}

/** More tasks than partitions: as in Connect, a task with nothing to do runs. */
function emptyTaskState(entry: ConnectorEntry, host: string | undefined): TaskState {
  if (entry.targetState === 'PAUSED') return 'PAUSED'
  return host === undefined ? 'UNASSIGNED' : 'RUNNING'
}

/** A partition in the words of a task. */
export function partitionState(entry: ConnectorEntry, view: PartitionView): TaskState {
  const isToPause = entry.targetState === 'PAUSED'
  if (view.report === null) return isToPause ? 'PAUSED' : 'UNASSIGNED'
  const { state } = view.report
  switch (state) {
    case 'STARTING':
      return isToPause ? 'PAUSED' : 'UNASSIGNED'
    case 'FAILED':
    case 'IN_DOUBT':
      return isOutdated(entry, view.report) ? 'RESTARTING' : 'FAILED'
    case 'RUNNING':
    case 'PAUSED':
    case 'RESTARTING':
      return state
    default:
      return assertNever(state)
  }
}

/** The failure happened before the latest restart request: the worker has not got round to it yet. */
function isOutdated(entry: ConnectorEntry, report: PartitionReport): boolean {
  return report.restartToken !== undefined && report.restartToken !== restartToken(entry, report.taskId)
}

/** `topic-partition@offset: what happened`. */
export function traceOf(view: PartitionView): string {
  const where =
    view.report?.nextOffset === undefined || view.report.nextOffset === null ? '' : `@${view.report.nextOffset}`
  const heading = `${formatTopicPartition(view)}${where}`
  const trace = view.report?.trace ?? 'The worker gave no reason.'
  return `${heading}: ${trace.replace(`${heading}: `, '')}`
}

/** Topics it works on; after a reset only those it has read from since. */
export function activeTopics(entry: ConnectorEntry, cluster: ClusterView): readonly string[] {
  const active = partitionViews(entry, cluster).filter(
    view => entry.topicsResetAtMs === 0 || (view.report?.lastRecordAtMs ?? 0) > entry.topicsResetAtMs,
  )
  return [...new Set(active.map(view => view.topic))]
}

const BADNESS: Readonly<Record<TaskState, number>> = { RUNNING: 0, PAUSED: 1, UNASSIGNED: 2, RESTARTING: 3, FAILED: 4 }

function worst(states: readonly TaskState[]): TaskState | undefined {
  return states.toSorted((a, b) => BADNESS[b] - BADNESS[a])[0]
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
