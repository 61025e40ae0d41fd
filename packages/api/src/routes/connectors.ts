// Connectors and their configs: list, create, read, replace, patch, delete, and what they look like now.
import type { ConnectorEntry, Incarnation, RawConfig, TargetState, WriteResult } from '@millrace/core'
import { connectorStatus, MillraceError } from '@millrace/core'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ApiError, badRequest, notFound } from '../api-error.ts'
import {
  applyPatch,
  assertConfigValid,
  type ConfigPatch,
  parseConfig,
  parsePatch,
  withName,
} from '../connector-config.ts'
import { assertNameAllowed, connectorPath } from '../connector-name.ts'
import { type Context, REQUEST_TIMEOUT_MS } from '../context.ts'
import type { PositionChange } from '../deps.ts'
import { asItIsNow, type Replay } from '../idempotency.ts'
import { type Condition, conditionOf, etagOf, preconditionFailed } from '../if-match.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../json-body.ts'
import { parseInitialOffsets } from '../offset-changes.ts'
import { allOf, type Query } from '../query.ts'
import { shownTo } from '../secret-keys.ts'
import { type ConnectorInfo, connectorInfo, statusBody, taskShape } from '../shapes.ts'
import { ALTERED } from './offsets.ts'

type Named = { Params: { name: string } }
type WithBody = { Body: JsonValue | undefined }

/** A PATCH that loses this many races in a row is told so. */
const PATCH_RACES_MAX = 20
const WRITING = 'writing to the config topic'

export function connectorRoutes(app: FastifyInstance, context: Context): void {
  const { configStore, configs } = context.deps

  const seenBy = ({ principal }: FastifyRequest, entry: ConnectorEntry): ConnectorEntry => ({
    ...entry,
    config: shownTo(principal, configs, entry.config),
  })

  app.get<{ Querystring: Query }>('/connectors', async request => {
    const entries = [...configStore.read().connectors.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
    const expand = new Set(allOf(request.query, 'expand'))
    if (expand.size === 0) return entries.map(entry => entry.name)
    return await expanded(context, entries, expand, entry => seenBy(request, entry))
  })

  /** Everything that changes a connector answers with it, and with the version to write on from. */
  const answerWith = async (entry: ConnectorEntry, isNew: boolean, reply: FastifyReply): Promise<ConnectorInfo> => {
    reply.header('etag', etagOf(entry))
    if (isNew) reply.code(201).header('location', connectorPath(entry.name))
    return connectorInfo(entry, await context.view())
  }
  const answerAgain: Replay = async ({ change }, request, reply) => {
    const { name } = request.params as Named['Params']
    return await answerWith(await asItIsNow(context, name), change === 'create', reply)
  }
  const answerCreateAgain: Replay = async (_mark, request, reply) => {
    const { name, initialOffsets } = parseCreate(request.body as JsonValue)
    return withOffsetsStatus(await answerWith(await asItIsNow(context, name), true, reply), initialOffsets)
  }

  app.post<WithBody>('/connectors', { config: { replay: answerCreateAgain } }, async (request, reply) => {
    const { name, config, targetState, initialOffsets } = parseCreate(request.body)
    assertConfigValid(configs, config)
    assertNameAllowed(name) // after the config, which has the name: its error is then one of Connect's
    const entry = await createConnector(context, name, config, targetState, initialOffsets)
    if (entry === null) throw new ApiError(409, `Connector ${name} already exists`)
    return withOffsetsStatus(await answerWith(entry, true, reply), initialOffsets)
  })

  app.get<Named>('/connectors/:name', async (request, reply) => {
    const entry = await context.connector(request.params.name)
    reply.header('etag', etagOf(entry))
    return connectorInfo(seenBy(request, entry), await context.view())
  })

  app.get<Named>('/connectors/:name/config', async (request, reply) => {
    const entry = await context.connector(request.params.name)
    reply.header('etag', etagOf(entry))
    return seenBy(request, entry).config
  })

  app.put<Named & WithBody>('/connectors/:name/config', { config: { replay: answerAgain } }, async (request, reply) => {
    const { name } = request.params
    assertNameAllowed(name)
    const config = withName(parseConfig(request.body), name)
    assertConfigValid(configs, config)
    const condition = await conditionOf(context, name, request.headers['if-match'])
    const { entry, isNew } = await putConfig(context, name, config, condition)
    return await answerWith(entry, isNew, reply)
  })

  app.patch<Named & WithBody>(
    '/connectors/:name/config',
    { config: { replay: answerAgain } },
    async (request, reply) => {
      const { name } = request.params
      const patch = parsePatch(request.body)
      const entry = await patchConfig(
        context,
        name,
        patch,
        await conditionOf(context, name, request.headers['if-match']),
      )
      return await answerWith(entry, false, reply)
    },
  )

  const deleted: Replay = (_mark, _request, reply) => reply.code(204).send()
  app.delete<Named>('/connectors/:name', { config: { replay: deleted } }, async (request, reply) => {
    const { name } = request.params
    const { ifVersion } = await conditionOf(context, name, request.headers['if-match'])
    const result = await write(context, { kind: 'delete', name }, ifVersion)
    const isGone = result.kind === 'conflict' && result.currentVersion === null
    if (result.kind === 'notFound' || isGone) throw notFound(`Connector ${name} not found`)
    if (result.kind === 'conflict') throw preconditionFailed(name)
    return reply.code(204).send()
  })

  app.get<Named>('/connectors/:name/status', async request => {
    const { name } = request.params
    return statusBody(await context.connector(name, `No status found for connector ${name}`), await context.view())
  })

  app.get<Named>('/connectors/:name/tasks', async request => {
    const entry = await context.connector(request.params.name)
    const config = { ...seenBy(request, entry).config, 'task.class': configs.taskClass }
    return connectorInfo(entry, await context.view()).tasks.map(id => ({ id, config }))
  })

  app.get<{ Params: { name: string; task: string } }>('/connectors/:name/tasks/:task/status', async request => {
    const { name, task } = request.params
    const id = parseTaskId(task)
    const missing = `No status found for task ${name}-${task}`
    const status = connectorStatus(await context.connector(name, missing), await context.view())
    const found = status.tasks.find(candidate => candidate.id === id)
    if (found === undefined) throw notFound(missing)
    return taskShape(found)
  })
}

const withOffsetsStatus = (info: ConnectorInfo, initialOffsets: CreateRequest['initialOffsets']): ConnectorInfo =>
  initialOffsets === undefined ? info : { ...info, offsets_status: ALTERED }

/** Task ids in paths are integers; anything else is a path that does not exist. */
export function parseTaskId(text: string): number {
  if (!/^-?\d{1,9}$/.test(text)) throw notFound('HTTP 404 Not Found')
  return Number(text)
}

async function expanded(
  context: Context,
  entries: readonly ConnectorEntry[],
  expand: ReadonlySet<string>,
  seen: (entry: ConnectorEntry) => ConnectorEntry,
): Promise<Readonly<Record<string, object>>> {
  const view = await context.view()
  const shapes = await context.inPieces(entries, (entry): [string, object] => [
    entry.name,
    {
      ...(expand.has('status') ? { status: statusBody(entry, view) } : {}),
      ...(expand.has('info') ? { info: connectorInfo(seen(entry), view) } : {}),
    },
  ])
  return Object.fromEntries(shapes)
}

type CreateRequest = {
  readonly name: string
  readonly config: RawConfig
  readonly targetState: TargetState
  readonly initialOffsets?: readonly PositionChange[]
}

function parseCreate(body: JsonValue | undefined): CreateRequest {
  if (!isJsonObject(body)) throw badRequest('The request body must be a JSON object with name and config.')
  for (const field of Object.keys(body))
    if (!CREATE_FIELDS.has(field)) throw badRequest(`Unrecognized field "${field}" in the request.`)
  const name = requestedName(body)
  if (body.config === undefined || body.config === null) throw badRequest('The request has no config.')
  const initialOffsets = parseInitialOffsets(body.initial_offsets)
  return {
    name,
    config: withName(parseConfig(body.config), name),
    targetState: initialState(body),
    ...(initialOffsets !== null && { initialOffsets }),
  }
}

const CREATE_FIELDS: ReadonlySet<string> = new Set(['name', 'config', 'initial_state', 'initial_offsets'])

function requestedName(body: JsonObject): string {
  const name = body.name ?? ''
  if (typeof name !== 'string') throw badRequest('The name of the connector must be a string.')
  return name.trim()
}

const INITIAL_STATES: ReadonlyMap<string, TargetState> = new Map([
  ['RUNNING', 'STARTED'],
  ['PAUSED', 'PAUSED'],
  ['STOPPED', 'STOPPED'],
])

function initialState(body: JsonObject): TargetState {
  const wanted = body.initial_state ?? 'RUNNING'
  const state = typeof wanted === 'string' ? INITIAL_STATES.get(wanted.toUpperCase()) : undefined
  if (state === undefined) throw badRequest('initial_state must be RUNNING, PAUSED or STOPPED.')
  return state
}

/** null when there is one already. */
async function createConnector(
  context: Context,
  name: string,
  config: RawConfig,
  targetState: TargetState,
  initialOffsets?: readonly PositionChange[],
): Promise<ConnectorEntry | null> {
  const { deps } = context
  if (await isTaken(context, name)) return null
  const incarnation = deps.random.nextId() as Incarnation
  const journalId = await context.within(REQUEST_TIMEOUT_MS, 'writing to the journal topic', signal =>
    deps.beginIncarnation(config, incarnation, { signal, ...(initialOffsets !== undefined && { initialOffsets }) }),
  )
  const result = await write(context, { kind: 'create', name, config, targetState, incarnation, journalId })
  if (result.kind === 'written') return result.entry
  return null
}

/** Asked before the Genesis is written. It may have been deleted on another worker a moment ago. */
async function isTaken(context: Context, name: string): Promise<boolean> {
  const { configStore } = context.deps
  if (!configStore.read().connectors.has(name)) return false
  const state = await context.within(REQUEST_TIMEOUT_MS, 'reading the config topic', signal =>
    configStore.refresh({ signal }),
  )
  return state.connectors.has(name)
}

type Put = { readonly entry: ConnectorEntry; readonly isNew: boolean }

/** Replaces the config, or creates the connector; another client may create or delete it in between. */
async function putConfig(
  context: Context,
  name: string,
  config: RawConfig,
  { mustExist, ifVersion }: Condition,
): Promise<Put> {
  for (let race = 0; race < PATCH_RACES_MAX; race++) {
    const result = await write(context, { kind: 'configure', name, config }, ifVersion)
    if (result.kind === 'written' || result.kind === 'unchanged') return { entry: result.entry, isNew: false }
    if (result.kind === 'conflict' || mustExist) throw preconditionFailed(name)
    const entry = await createConnector(context, name, config, 'STARTED')
    if (entry !== null) return { entry, isNew: true }
  }
  throw tooManyRaces(name)
}

/** Read, merge, validate, compare-and-set: a concurrent change is merged into, never lost. */
async function patchConfig(
  context: Context,
  name: string,
  patch: ConfigPatch,
  { ifVersion }: Condition,
): Promise<ConnectorEntry> {
  // What another worker wrote a moment ago is merged into and insisted on, too.
  await context.catchUp()
  for (let race = 0; race < PATCH_RACES_MAX; race++) {
    const current = await context.connector(name)
    if (ifVersion !== undefined && ifVersion !== current.version) throw preconditionFailed(name)
    const config = withName(applyPatch(current.config, patch), name)
    assertConfigValid(context.deps.configs, config)
    const result = await write(context, { kind: 'configure', name, config }, current.version)
    if (result.kind === 'written' || result.kind === 'unchanged') return result.entry
  }
  throw tooManyRaces(name)
}

function write(
  context: Context,
  change: Parameters<Context['deps']['configStore']['write']>[0],
  ifVersion?: number,
): Promise<WriteResult> {
  return context.within(REQUEST_TIMEOUT_MS, WRITING, signal =>
    context.deps.configStore.write(change, ifVersion === undefined ? { signal } : { ifVersion, signal }),
  )
}

const tooManyRaces = (name: string): MillraceError =>
  new MillraceError('CONFIG_CONFLICT', 'retry', `Connector ${name} is being changed by others all the time.`)
