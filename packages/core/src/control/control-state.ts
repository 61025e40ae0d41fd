// What the cluster is told to do: connectors with their configs, target states and restart requests.
import type { Incarnation } from '../ids.ts'

export const TARGET_STATES = ['STARTED', 'PAUSED', 'STOPPED'] as const
export type TargetState = (typeof TARGET_STATES)[number]

/** A connector's config as its user wrote it: strings, placeholders unresolved, nothing added but `name`. */
export type RawConfig = Readonly<Record<string, string>>

/** Counters that only rise; a worker restarts what it runs when the token of `restartToken` differs from the one it runs under. */
export type RestartEpochs = {
  readonly connector: number
  readonly allTasks: number
  readonly tasks: Readonly<Record<string, number>>
}

export type ConnectorEntry = {
  readonly name: string
  readonly incarnation: Incarnation
  /** Rises by one with every write about this name, across incarnations. What `ifVersion` compares. */
  readonly version: number
  /** Rises when the config changes, from 1 in each incarnation. */
  readonly configGeneration: number
  readonly config: RawConfig
  readonly targetState: TargetState
  /** Connect's rule: stopping removes the tasks, only starting brings them back; a pause leaves it as it is. */
  readonly hasTasks: boolean
  readonly restarts: RestartEpochs
  /** The journal this incarnation writes to: a config whose Genesis is not in it must not start. */
  readonly journalId: string
  /** Earlier incarnations of this name, newest first: their Deleted must be in the journal before this one starts. */
  readonly predecessors: readonly Incarnation[]
  /** Topics read before this moment only are not active any more (`topics/reset`); 0 = never reset. */
  readonly topicsResetAtMs: number
  readonly createdAtMs: number
  readonly updatedAtMs: number
}

/** A config a connector has or had in this incarnation. */
export type ConfigVersion = {
  /** Of the entry, when this config came into force. */
  readonly version: number
  readonly configGeneration: number
  readonly config: RawConfig
  readonly changedAtMs: number
  /** Absent where nobody was logged in. */
  readonly by?: string
}

/** What is kept of a deleted connector: enough to refuse late writes and to end its incarnations in the journal. */
export type DeletedConnector = {
  readonly name: string
  readonly version: number
  /** Newest first; the first one is the incarnation the delete ended. */
  readonly incarnations: readonly Incarnation[]
  readonly deletedAtMs: number
}

/** The cluster's wishes as of some point of the config log. A worker's copy is at most a long poll behind. */
export type ControlState = {
  readonly connectors: ReadonlyMap<string, ConnectorEntry>
  readonly deleted: ReadonlyMap<string, DeletedConnector>
}

export const EMPTY_CONTROL_STATE: ControlState = { connectors: new Map(), deleted: new Map() }

/** Changes when the task is to be started anew: a restart request or a new config. Compared for equality only. */
export function restartToken(entry: ConnectorEntry, taskId: number): string {
  const task = entry.restarts.tasks[String(taskId)] ?? 0
  return `${entry.incarnation}.${entry.configGeneration}.${entry.restarts.allTasks}.${task}`
}

/** Changes when the connector itself is to be started anew. Compared for equality only. */
export function connectorRestartToken(entry: ConnectorEntry): string {
  return `${entry.incarnation}.${entry.configGeneration}.${entry.restarts.connector}`
}
