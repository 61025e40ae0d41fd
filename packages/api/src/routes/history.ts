// Earlier configs of a connector: list, look, compare, go back. Secrets are masked here: a rollback needs nobody to see them.
import type { ConfigVersion, ConnectorEntry, RawConfig, WriteResult } from '@millrace/core'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { badRequest, notFound } from '../api-error.ts'
import { assertConfigValid } from '../connector-config.ts'
import { type Context, REQUEST_TIMEOUT_MS } from '../context.ts'
import { asItIsNow, type Replay } from '../idempotency.ts'
import { conditionOf, etagOf, preconditionFailed } from '../if-match.ts'
import { isJsonObject, JsonNumber, type JsonValue } from '../json-body.ts'
import { allOf, type Query } from '../query.ts'
import { masked } from '../secret-keys.ts'

type Named = { Params: { name: string } }
type Body = { Body: JsonValue | undefined }

export function historyRoutes(app: FastifyInstance, context: Context): void {
  const { configs } = context.deps

  app.get<Named>('/api/v1/connectors/:name/history', async request => {
    const { entry, versions } = await historyOf(context, request.params.name)
    return { connector: entry.name, versions: versions.map((version, i) => ({ ...shape(version), current: i === 0 })) }
  })

  app.get<{ Params: { name: string; version: string } }>('/api/v1/connectors/:name/history/:version', async request => {
    const { name, version } = request.params
    const { versions } = await historyOf(context, name, [version])
    const found = find(versions, version)
    return { ...shape(found), current: found === versions[0], config: masked(configs, found.config) }
  })

  /** `from` and `to` are versions of the history; the newest when `to` is absent, the one before `to` when `from` is. */
  app.get<Named & { Querystring: Query }>('/api/v1/connectors/:name/diff', async request => {
    const [fromText, toText] = [allOf(request.query, 'from')[0], allOf(request.query, 'to')[0]]
    const { entry, versions } = await historyOf(context, request.params.name, [fromText, toText])
    const to = toText === undefined ? versions[0] : find(versions, toText)
    const before = to === undefined ? undefined : versions[versions.indexOf(to) + 1]
    const from = fromText === undefined ? before : find(versions, fromText)
    if (to === undefined || from === undefined) throw notFound(`Connector ${entry.name} has no earlier config.`)
    return { connector: entry.name, from: shape(from), to: shape(to), ...diffOf(context, from.config, to.config) }
  })

  /** `{"version": 7}`: that config again, as a new version. */
  const answerWith = (entry: ConnectorEntry, changed: boolean, reply: FastifyReply): object => {
    const { name, version, config } = entry
    reply.header('etag', etagOf(entry))
    return { name, version, changed, config: masked(configs, config) }
  }
  const rolledBack: Replay = async ({ outcome }, request, reply) =>
    answerWith(await asItIsNow(context, (request.params as Named['Params']).name), outcome === 'written', reply)
  const rollback = { config: { replay: rolledBack } }
  app.post<Named & Body>('/api/v1/connectors/:name/rollback', rollback, async (request, reply) => {
    const wanted = parseRollback(request.body)
    const { ifVersion } = await conditionOf(context, request.params.name, request.headers['if-match'])
    // Another worker may have deleted it and created another of its name: to that one the old configs are nothing.
    await context.catchUp()
    const { entry, versions } = await historyOf(context, request.params.name)
    const { config } = find(versions, wanted)
    assertConfigValid(configs, config)
    const result = await rollBack(context, entry, config, ifVersion)
    if (result.kind === 'conflict') throw preconditionFailed(entry.name)
    if (result.kind !== 'written' && result.kind !== 'unchanged') throw notFound(`Connector ${entry.name} not found`)
    return answerWith(result.entry, result.kind === 'written', reply)
  })
}

type History = { readonly entry: ConnectorEntry; readonly versions: readonly ConfigVersion[] }

/** A version that is not in it may have been written by another worker a moment ago: then the end of the log decides. */
async function historyOf(
  context: Context,
  name: string,
  wanted: readonly (string | undefined)[] = [],
): Promise<History> {
  const { configStore } = context.deps
  await context.connector(name)
  const isKnown = (text: string): boolean => configStore.history(name).some(({ version }) => String(version) === text)
  if (wanted.some(text => text !== undefined && !isKnown(text))) await context.catchUp()
  return { entry: await context.connector(name), versions: configStore.history(name) }
}

/** Version numbers are shorter; what is none may be long. */
const VERSION_CHARS_SHOWN = 40

function find(versions: readonly ConfigVersion[], text: string): ConfigVersion {
  const found = /^\d{1,15}$/.test(text) ? versions.find(({ version }) => version === Number(text)) : undefined
  if (found === undefined) throw notFound(`There is no version ${text.slice(0, VERSION_CHARS_SHOWN)} in the history.`)
  return found
}

const shape = ({ version, configGeneration, changedAtMs, by }: ConfigVersion): object => ({
  version,
  config_generation: configGeneration,
  changed_at_ms: changedAtMs,
  changed_by: by ?? null,
})

/** A secret that changed is listed; neither of its values is. */
function diffOf({ deps }: Context, from: RawConfig, to: RawConfig): object {
  const [shownFrom, shownTo] = [masked(deps.configs, from), masked(deps.configs, to)]
  const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])].sort()
  const pick = (isWanted: (key: string) => boolean): readonly string[] => keys.filter(isWanted)
  return {
    added: pick(key => !Object.hasOwn(from, key)).map(key => ({ key, value: shownTo[key] })),
    removed: pick(key => !Object.hasOwn(to, key)).map(key => ({ key, value: shownFrom[key] })),
    changed: pick(key => Object.hasOwn(from, key) && Object.hasOwn(to, key) && from[key] !== to[key]).map(key => ({
      key,
      from: shownFrom[key],
      to: shownTo[key],
    })),
  }
}

function parseRollback(body: JsonValue | undefined): string {
  if (!isJsonObject(body)) throw badRequest('The request body must be a JSON object with a version of the history.')
  const unknown = Object.keys(body).find(field => field !== 'version')
  if (unknown !== undefined) throw badRequest(`Unrecognized field "${unknown}" in the request.`)
  const { version } = body
  if (!(version instanceof JsonNumber)) throw badRequest('version must be a number of the history.')
  return version.text
}

function rollBack(
  context: Context,
  { name }: ConnectorEntry,
  config: RawConfig,
  ifVersion: number | undefined,
): Promise<WriteResult> {
  return context.within(REQUEST_TIMEOUT_MS, 'writing to the config topic', signal =>
    context.deps.configStore.write(
      { kind: 'configure', name, config },
      ifVersion === undefined ? { signal } : { ifVersion, signal },
    ),
  )
}
