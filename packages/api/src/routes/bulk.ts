// POST /api/v1/bulk: one action on many connectors, by name, pattern, state or health, with a result for each.
import {
  type ClusterView,
  type ConnectorEntry,
  type ControlChange,
  connectorHealth,
  connectorStatus,
  HEALTH_VERDICTS,
  type RequestMark,
  type WriteResult,
} from '@millrace/core'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { ApiError, badRequest, describeFailure } from '../api-error.ts'
import { type Context, REQUEST_TIMEOUT_MS } from '../context.ts'
import { GLOB_CHARS_MAX, matchesGlob } from '../glob.ts'
import { CarriedOutBefore } from '../idempotency.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../json-body.ts'
import { scopeOf } from '../request-scope.ts'
import { hasRole } from '../security/principal.ts'
import { restartPlan } from './lifecycle.ts'

/** Each is a record in the config topic: a thousand take seconds. More are asked for in several requests. */
export const BULK_ITEMS_MAX = 1_000
export const BULK_ACTIONS = ['pause', 'resume', 'stop', 'restart', 'delete'] as const
type Action = (typeof BULK_ACTIONS)[number]

type BulkRequest = {
  readonly action: Action
  readonly dryRun: boolean
  readonly names: readonly string[] | null
  readonly pattern: string | null
  readonly state: string | null
  readonly health: string | null
  readonly includeTasks: boolean
  readonly onlyFailed: boolean
}
type ItemResult = {
  readonly connector: string
  /** What the single request would have answered. */
  readonly status: number
  readonly outcome: 'done' | 'unchanged' | 'would_change' | 'failed' | 'not_tried'
  readonly message?: string
}

export function bulkRoutes(app: FastifyInstance, context: Context): void {
  app.post<{ Body: JsonValue | undefined }>('/api/v1/bulk', { config: { replay: 'items' } }, async request => {
    const bulk = parseBulk(request.body)
    if (bulk.action === 'delete' && !hasRole(request.principal, 'admin'))
      throw new ApiError(403, 'Deleting connectors needs the role admin.')
    const view = await context.view()
    // Another worker may have created what is asked for a moment ago.
    await context.catchUp()
    const marks = marksUnder(request, context)
    const names = [...new Set([...(await select(bulk, context, view)), ...marks.keys()])]
    const results = await perform(bulk, names, marks, context, view)
    return {
      action: bulk.action,
      dry_run: bulk.dryRun,
      matched: names.length,
      failed: results.filter(({ outcome }) => outcome === 'failed' || outcome === 'not_tried').length,
      results,
    }
  })
}

const FIELDS: ReadonlySet<string> = new Set([
  ...['action', 'names', 'pattern', 'state', 'health', 'dry_run'],
  ...['include_tasks', 'only_failed'],
])
const STATES = ['UNASSIGNED', 'RUNNING', 'PAUSED', 'FAILED', 'RESTARTING', 'STOPPED'] as const

function parseBulk(body: JsonValue | undefined): BulkRequest {
  if (!isJsonObject(body)) throw badRequest('The request body must be a JSON object with an action and a selection.')
  for (const field of Object.keys(body))
    if (!FIELDS.has(field)) throw badRequest(`Unrecognized field "${field}" in the request.`)
  const action = oneOf(body, 'action', BULK_ACTIONS)
  if (action === null) throw badRequest(`action must be one of ${BULK_ACTIONS.join(', ')}.`)
  const { names, pattern } = body
  if (names !== undefined && !isNames(names))
    throw badRequest(`names must be a list of at most ${BULK_ITEMS_MAX} connector names.`)
  if (pattern !== undefined && (typeof pattern !== 'string' || pattern === '' || pattern.length > GLOB_CHARS_MAX))
    throw badRequest(`pattern must be a text of at most ${GLOB_CHARS_MAX} characters, with * and ?.`)
  const state = oneOf(body, 'state', STATES)
  const health = oneOf(body, 'health', HEALTH_VERDICTS)
  if (names === undefined && pattern === undefined && state === null && health === null)
    throw badRequest('The request selects nothing: names, pattern, state or health is needed.')
  return {
    action,
    dryRun: flag(body, 'dry_run', false),
    names: names === undefined ? null : [...new Set(names)],
    pattern: pattern ?? null,
    state,
    health,
    includeTasks: flag(body, 'include_tasks', true),
    onlyFailed: flag(body, 'only_failed', false),
  }
}

const isNames = (value: JsonValue): value is readonly string[] =>
  Array.isArray(value) && value.length <= BULK_ITEMS_MAX && value.every(name => typeof name === 'string')

function oneOf<T extends string>(body: JsonObject, field: string, allowed: readonly T[]): T | null {
  const value = body[field]
  if (value === undefined) return null
  const found = allowed.find(candidate => candidate === value)
  if (found === undefined) throw badRequest(`${field} must be one of ${allowed.join(', ')}.`)
  return found
}

function flag(body: JsonObject, field: string, fallback: boolean): boolean {
  const value = body[field] ?? fallback
  if (typeof value !== 'boolean') throw badRequest(`${field} must be true or false.`)
  return value
}

/** All conditions that are given hold. Names are taken as they are: one that does not exist gets its 404. */
async function select(bulk: BulkRequest, context: Context, view: ClusterView): Promise<readonly string[]> {
  const { connectors } = context.deps.configStore.read()
  const candidates = bulk.names ?? [...connectors.keys()].sort()
  const found = await context.inPieces(candidates, name => {
    if (bulk.pattern !== null && !matchesGlob(bulk.pattern, name)) return []
    const entry = connectors.get(name)
    const isWanted =
      entry === undefined ? bulk.state === null && bulk.health === null : isInState(bulk, entry, context, view)
    return isWanted ? [name] : []
  })
  const selected = found.flat()
  if (selected.length > BULK_ITEMS_MAX)
    throw badRequest(`The request selects ${selected.length} connectors; at most ${BULK_ITEMS_MAX} at once.`)
  return selected
}

function isInState({ state, health }: BulkRequest, entry: ConnectorEntry, context: Context, view: ClusterView) {
  if (state !== null) {
    const { connector, tasks } = connectorStatus(entry, view)
    // As people mean it: a connector with a failed task is a failed one.
    const isFailed = state === 'FAILED' && tasks.some(task => task.state === 'FAILED')
    if (connector.state !== state && !isFailed) return false
  }
  return health === null || connectorHealth(entry, view, context.healthContext()).verdict === health
}

/** What this request did when it was sent before, by connector: that is told again, not done again. */
function marksUnder(request: FastifyRequest, { deps }: Context): ReadonlyMap<string, RequestMark> {
  const key = scopeOf(request)?.requestKey
  return key === undefined ? new Map() : deps.configStore.marks(key.key)
}

/** One after the other: the config log takes one write at a time. What the time does not suffice for is said so. */
async function perform(
  bulk: BulkRequest,
  names: readonly string[],
  marks: ReadonlyMap<string, RequestMark>,
  context: Context,
  view: ClusterView,
): Promise<readonly ItemResult[]> {
  const { clock, configStore } = context.deps
  const endMs = clock.monotonicMs() + REQUEST_TIMEOUT_MS
  const results: ItemResult[] = []
  for (const connector of names) {
    const change = changeOf(bulk, connector, configStore.read().connectors.get(connector), view)
    const leftMs = endMs - clock.monotonicMs()
    const mark = marks.get(connector)
    if (mark !== undefined) results.push({ connector, ...OUTCOMES[mark.outcome] })
    else if (change === null)
      results.push({ connector, status: 404, outcome: 'failed', message: `Unknown connector ${connector}` })
    else if (bulk.dryRun) results.push({ connector, status: 200, outcome: 'would_change' })
    else if (leftMs <= 0)
      results.push({ connector, status: 503, outcome: 'not_tried', message: 'The time of the request was over.' })
    else results.push(await performOne(connector, change, leftMs, context))
  }
  return results
}

function changeOf(
  { action, includeTasks, onlyFailed }: BulkRequest,
  name: string,
  entry: ConnectorEntry | undefined,
  view: ClusterView,
): ControlChange | null {
  if (entry === undefined) return null
  if (action === 'delete') return { kind: 'delete', name }
  if (action === 'restart') {
    const plan = restartPlan(connectorStatus(entry, view), { includeTasks, onlyFailed })
    return { kind: 'restart', name, connector: plan.connector, tasks: includeTasks && !onlyFailed ? 'all' : plan.tasks }
  }
  return { kind: 'setTargetState', name, targetState: TARGET_OF[action] }
}
const TARGET_OF = { pause: 'PAUSED', resume: 'STARTED', stop: 'STOPPED' } as const

async function performOne(
  connector: string,
  change: ControlChange,
  leftMs: number,
  context: Context,
): Promise<ItemResult> {
  try {
    const result = await context.within(leftMs, 'writing to the config topic', signal =>
      context.deps.configStore.write(change, { signal }),
    )
    return { connector, ...OUTCOMES[result.kind] }
  } catch (error) {
    if (error instanceof CarriedOutBefore) return { connector, ...OUTCOMES[error.mark.outcome] }
    const { status, message } = describeFailure(error)
    return { connector, status, outcome: 'failed', message }
  }
}

const OUTCOMES: Readonly<Record<WriteResult['kind'], Omit<ItemResult, 'connector'>>> = {
  written: { status: 202, outcome: 'done' },
  deleted: { status: 204, outcome: 'done' },
  unchanged: { status: 202, outcome: 'unchanged' },
  notFound: { status: 404, outcome: 'failed', message: 'It was deleted meanwhile.' },
  exists: { status: 409, outcome: 'failed', message: 'It exists.' },
  conflict: { status: 412, outcome: 'failed', message: 'It was changed meanwhile.' },
  replayed: { status: 202, outcome: 'unchanged' },
  keyTaken: { status: 422, outcome: 'failed', message: 'Another request has this Idempotency-Key.' },
}
