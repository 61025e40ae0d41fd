// What happened between two looks, as events: at what is wished for (config log), and at what is (reports). Pure.
import {
  type ClusterView,
  type ConnectorEntry,
  type ControlState,
  connectorHealth,
  connectorStatus,
  type HealthContext,
  partitionViews,
} from '@millrace/core'

export type ApiEvent = { readonly type: string; readonly connector: string | null; readonly data: object }

/** Versions tell what changed; configs stay where they are. */
export function controlEvents(before: ControlState, after: ControlState): readonly ApiEvent[] {
  const events: ApiEvent[] = []
  for (const entry of after.connectors.values()) {
    const old = before.connectors.get(entry.name)
    if (old !== entry) events.push(...entryEvents(old, entry))
  }
  for (const old of before.connectors.values())
    if (!after.connectors.has(old.name)) events.push(event('connector.deleted', old.name, {}))
  return events
}

function entryEvents(old: ConnectorEntry | undefined, entry: ConnectorEntry): readonly ApiEvent[] {
  const { name, version } = entry
  if (old === undefined || old.incarnation !== entry.incarnation) {
    const created = event('connector.created', name, { version, target_state: entry.targetState })
    return old === undefined ? [created] : [event('connector.deleted', name, {}), created]
  }
  if (old.version === version) return []
  const events: ApiEvent[] = []
  if (old.configGeneration !== entry.configGeneration)
    events.push(event('connector.config', name, { version, config_generation: entry.configGeneration }))
  if (old.targetState !== entry.targetState)
    events.push(event('connector.target_state', name, { version, from: old.targetState, to: entry.targetState }))
  const restarts = ({ restarts }: ConnectorEntry): string => JSON.stringify(restarts)
  if (old.configGeneration === entry.configGeneration && restarts(old) !== restarts(entry))
    events.push(event('connector.restart', name, { version }))
  return events
}

/** What of the cluster is watched: states by connector and task, verdicts, takeovers by partition, workers. */
export type Snapshot = {
  readonly workers: ReadonlyMap<string, string>
  readonly connectors: ReadonlyMap<string, ConnectorSnapshot>
}
export type ConnectorSnapshot = {
  readonly state: string
  readonly health: string
  readonly reason: string | null
  readonly tasks: ReadonlyMap<number, { readonly state: string; readonly workerId: string }>
  readonly takeovers: ReadonlyMap<string, number>
  /** By partition, whoever works on it: they stand in the journal. */
  readonly lostOffsets: ReadonlyMap<string, number>
}

export function connectorSnapshot(entry: ConnectorEntry, view: ClusterView, context: HealthContext): ConnectorSnapshot {
  const status = connectorStatus(entry, view)
  const health = connectorHealth(entry, view, context)
  const views = partitionViews(entry, view)
  const partitions = views.flatMap(({ topic, partition, worker, report }) =>
    report === null ? [] : [[`${topic}-${partition}@${worker}`, report.takeovers] as const],
  )
  const lost = views.flatMap(({ topic, partition, report }) =>
    report === null ? [] : [[`${topic}-${partition}`, report.lostOffsets ?? 0] as const],
  )
  return {
    state: status.connector.state,
    health: health.verdict,
    reason: health.reasons[0]?.code ?? null,
    tasks: new Map(status.tasks.map(task => [task.id, { state: task.state, workerId: task.workerId }])),
    takeovers: new Map(partitions),
    lostOffsets: new Map(lost),
  }
}

export const workerAddresses = ({ workers }: ClusterView): ReadonlyMap<string, string> =>
  new Map(workers.map(({ worker, advertised }) => [worker, advertised]))

export function clusterEvents(before: Snapshot, after: Snapshot): readonly ApiEvent[] {
  const events: ApiEvent[] = []
  for (const [worker, workerId] of after.workers)
    if (!before.workers.has(worker)) events.push(event('worker.joined', null, { worker, worker_id: workerId }))
  for (const [worker, workerId] of before.workers)
    if (!after.workers.has(worker)) events.push(event('worker.left', null, { worker, worker_id: workerId }))
  for (const [name, now] of after.connectors) {
    const then = before.connectors.get(name)
    if (then !== undefined) events.push(...connectorEvents(name, then, now))
  }
  return events
}

function connectorEvents(name: string, then: ConnectorSnapshot, now: ConnectorSnapshot): readonly ApiEvent[] {
  const events: ApiEvent[] = []
  if (then.state !== now.state) events.push(event('connector.state', name, { from: then.state, to: now.state }))
  if (then.health !== now.health)
    events.push(event('connector.health', name, { from: then.health, to: now.health, reason: now.reason }))
  for (const [task, { state, workerId }] of now.tasks) {
    const from = then.tasks.get(task)?.state ?? null
    if (from !== state) events.push(event('task.state', name, { task, from, to: state, worker_id: workerId }))
  }
  for (const [place, takeovers] of now.takeovers) {
    // A worker that reports a partition for the first time may have taken it over just now.
    if (takeovers <= (then.takeovers.get(place) ?? 0)) continue
    const [partition, worker] = [place.slice(0, place.lastIndexOf('@')), place.slice(place.lastIndexOf('@') + 1)]
    events.push(event('partition.takeover', name, { partition, worker }))
  }
  for (const [partition, count] of now.lostOffsets) {
    const before = then.lostOffsets.get(partition)
    if (before !== undefined && count > before)
      events.push(event('partition.offsets_lost', name, { partition, count: count - before }))
  }
  return events
}

const event = (type: string, connector: string | null, data: object): ApiEvent => ({ type, connector, data })
