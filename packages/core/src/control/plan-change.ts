// What a change means on a given state: nothing, a refusal, or the body of the next record. Pure.

import { assertNever } from '../errors/error.ts'
import type { Incarnation } from '../ids.ts'
import type { ControlChange, WriteResult } from '../ports/config-store.ts'
import type { ConfigRecord } from './config-record.ts'
import type { ConnectorEntry, ControlState, DeletedConnector, RawConfig, RestartEpochs } from './control-state.ts'

export type ChangePlan =
  | { readonly kind: 'answer'; readonly result: WriteResult }
  | {
      readonly kind: 'write'
      /** `unchanged`: only a mark is left. */
      readonly outcome: 'written' | 'unchanged' | 'deleted'
      readonly version: number
      readonly body: ConfigRecord['body']
    }

/** Eight incarnations that were all deleted before the first delete was carried out is beyond any use. */
export const PREDECESSORS_MAX = 8
/** Single task restarts remembered between two config changes: 1000 × 10 bytes; beyond it all tasks restart once. */
export const RESTARTED_TASKS_MAX = 1000

/** @param leavesMark a change that changes nothing is written all the same: that the request was carried out must be known. */
export function planChange(
  state: ControlState,
  change: ControlChange,
  context: { readonly ifVersion?: number; readonly leavesMark?: boolean; readonly nowMs: number },
): ChangePlan {
  const plan = planned(state, change, context)
  if (context.leavesMark !== true || plan.kind !== 'answer' || plan.result.kind !== 'unchanged') return plan
  const { entry } = plan.result
  return { ...update(entry, entry, entry.updatedAtMs), outcome: 'unchanged' }
}

function planned(
  state: ControlState,
  change: ControlChange,
  context: { readonly ifVersion?: number; readonly nowMs: number },
): ChangePlan {
  const entry = state.connectors.get(change.name)
  if (context.ifVersion !== undefined && context.ifVersion !== entry?.version) {
    return answer({ kind: 'conflict', currentVersion: entry?.version ?? null })
  }
  if (change.kind === 'create') {
    return entry === undefined
      ? create(change, state.deleted.get(change.name), context.nowMs)
      : answer({ kind: 'exists', entry })
  }
  if (entry === undefined) return answer({ kind: 'notFound' })
  switch (change.kind) {
    case 'configure':
      return sameConfig(entry.config, change.config)
        ? answer({ kind: 'unchanged', entry })
        : update(entry, reconfigured(entry, change.config), context.nowMs)
    case 'setTargetState':
      return entry.targetState === change.targetState
        ? answer({ kind: 'unchanged', entry })
        : update(entry, retargeted(entry, change.targetState), context.nowMs)
    case 'restart':
      return restart(entry, change, context.nowMs)
    case 'resetTopics':
      return update(entry, { ...entry, topicsResetAtMs: context.nowMs }, context.nowMs)
    case 'delete':
      return {
        kind: 'write',
        outcome: 'deleted',
        version: entry.version + 1,
        body: {
          kind: 'deleted',
          deleted: {
            name: entry.name,
            version: entry.version + 1,
            incarnations: [entry.incarnation, ...entry.predecessors].slice(0, PREDECESSORS_MAX),
            deletedAtMs: context.nowMs,
          },
        },
      }
    default:
      return assertNever(change)
  }
}

const NO_RESTARTS: RestartEpochs = { connector: 0, allTasks: 0, tasks: {} }

function create(
  change: Extract<ControlChange, { kind: 'create' }>,
  deleted: DeletedConnector | undefined,
  nowMs: number,
): ChangePlan {
  const version = (deleted?.version ?? 0) + 1
  const predecessors: readonly Incarnation[] = deleted?.incarnations ?? []
  return {
    kind: 'write',
    outcome: 'written',
    version,
    body: {
      kind: 'connector',
      entry: {
        name: change.name,
        incarnation: change.incarnation,
        version,
        configGeneration: 1,
        config: change.config,
        targetState: change.targetState,
        hasTasks: change.targetState === 'STARTED',
        restarts: NO_RESTARTS,
        journalId: change.journalId,
        predecessors,
        topicsResetAtMs: 0,
        createdAtMs: nowMs,
        updatedAtMs: nowMs,
      },
    },
  }
}

function update(
  entry: ConnectorEntry,
  next: ConnectorEntry,
  nowMs: number,
): Extract<ChangePlan, { readonly kind: 'write' }> {
  const version = entry.version + 1
  const body = { kind: 'connector', entry: { ...next, version, updatedAtMs: nowMs } } as const
  return { kind: 'write', outcome: 'written', version, body }
}

/** A new generation restarts every task anyway: the counters of single tasks have done their work. */
function reconfigured(entry: ConnectorEntry, config: RawConfig): ConnectorEntry {
  return { ...entry, config, configGeneration: entry.configGeneration + 1, restarts: { ...entry.restarts, tasks: {} } }
}

function retargeted(entry: ConnectorEntry, targetState: ConnectorEntry['targetState']): ConnectorEntry {
  const hasTasks = targetState === 'STARTED' || (targetState === 'PAUSED' && entry.hasTasks)
  return { ...entry, targetState, hasTasks }
}

function restart(
  entry: ConnectorEntry,
  change: Extract<ControlChange, { kind: 'restart' }>,
  nowMs: number,
): ChangePlan {
  if (!change.connector && change.tasks !== 'all' && change.tasks.length === 0)
    return answer({ kind: 'unchanged', entry })
  const connector = entry.restarts.connector + (change.connector ? 1 : 0)
  return update(entry, { ...entry, restarts: { ...restartTasks(entry.restarts, change.tasks), connector } }, nowMs)
}

function restartTasks(restarts: RestartEpochs, tasks: 'all' | readonly number[]): RestartEpochs {
  const all = { ...restarts, allTasks: restarts.allTasks + 1, tasks: {} }
  if (tasks === 'all') return all
  const counters = { ...restarts.tasks }
  for (const task of tasks) counters[String(task)] = (counters[String(task)] ?? 0) + 1
  return Object.keys(counters).length > RESTARTED_TASKS_MAX ? all : { ...restarts, tasks: counters }
}

function sameConfig(a: RawConfig, b: RawConfig): boolean {
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every(key => Object.hasOwn(b, key) && a[key] === b[key])
}

const answer = (result: WriteResult): ChangePlan => ({ kind: 'answer', result })
