// Kafka Connect's response bodies. No key more, no key less (R4, R11): clients decode them strictly.
import {
  type ClusterView,
  type ConnectorEntry,
  type ConnectorStatus,
  connectorStatus,
  type RawConfig,
  type TaskStatus,
  taskIds,
} from '@millrace/core'

export type ConnectorInfo = {
  readonly name: string
  readonly config: RawConfig
  readonly tasks: readonly { readonly connector: string; readonly task: number }[]
  readonly type: 'sink'
  /** Of a create with `initial_offsets` (KIP-995). */
  readonly offsets_status?: string
}

export function connectorInfo(entry: ConnectorEntry, view: ClusterView): ConnectorInfo {
  const tasks = taskIds(entry, view).map(task => ({ connector: entry.name, task }))
  return { name: entry.name, config: entry.config, tasks, type: 'sink' }
}

export type StateBody = { readonly state: string; readonly worker_id: string; readonly trace?: string }
export type TaskBody = { readonly id: number } & StateBody
export type StatusBody = {
  readonly name: string
  readonly connector: StateBody
  readonly tasks: readonly TaskBody[]
  readonly type: 'sink'
}

export const statusBody = (entry: ConnectorEntry, view: ClusterView): StatusBody =>
  statusShape(connectorStatus(entry, view))

export function statusShape(status: ConnectorStatus): StatusBody {
  return {
    name: status.name,
    connector: stateShape(status.connector),
    tasks: status.tasks.map(taskShape),
    type: 'sink',
  }
}

export const taskShape = (task: TaskStatus): TaskBody => ({ id: task.id, ...stateShape(task) })

function stateShape(part: { readonly state: string; readonly workerId: string; readonly trace?: string }): StateBody {
  const shape = { state: part.state, worker_id: part.workerId }
  return part.trace === undefined ? shape : { ...shape, trace: part.trace }
}
