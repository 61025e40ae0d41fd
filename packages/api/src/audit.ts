// Who asked for which change, when, from where, and what came of it. Of configs only digests, never a value; and of secrets not
// even a digest: who reads it could try out what a short password may be.
import { createHash } from 'node:crypto'
import type { ConfigStore, ConnectorEntry, ControlChange, RawConfig, WriteResult } from '@millrace/core'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ApiDeps, ConnectorConfigs } from './deps.ts'
import { CarriedOutBefore, keyTaken } from './idempotency.ts'
import { type RequestScope, requestScope, scopeOf } from './request-scope.ts'
import { masked } from './secret-keys.ts'
import { ANONYMOUS } from './security/principal.ts'

export type AuditedChange = {
  readonly connector: string
  readonly change: ControlChange['kind']
  readonly outcome: WriteResult['kind'] | 'unknown'
  /** As this worker knew it before. */
  readonly versionBefore: number | null
  readonly versionAfter: number | null
  /** Digests of the masked config. */
  readonly configBefore: string | null
  readonly configAfter: string | null
  /** Keys of secrets that are other ones after the change. */
  readonly secretsChanged: readonly string[]
}
export type AuditRecord = {
  readonly atMs: number
  readonly requestId: string
  readonly principal: string
  readonly role: string
  readonly remoteAddress: string
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly route: string
  readonly connector: string | null
  /** HTTP status; STATUS_CLIENT_GONE when nobody was there any more to be answered. */
  readonly status: number
  readonly changes: readonly AuditedChange[]
}

/** Takes the record at once and keeps it; never throws, never waits. */
export interface AuditSink {
  write(record: AuditRecord): void
  /** Records the topic did not get; the log has them. */
  readonly lostCount: number
}

/** Methods that change nothing. Of the others refused requests are told too: an attempt is worth knowing. */
const ASKING: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])
const HARMLESS_ROUTES: ReadonlySet<string> = new Set(['/connector-plugins/:plugin/config/validate'])

/** As nginx tells it in its log; no answer has it. */
export const STATUS_CLIENT_GONE = 499

/** Who did not get in changed nothing; the log-in has limits and a log of its own. */
const LOCKED_OUT: ReadonlySet<number> = new Set([401, 429])

/**
 * A record per request, when its answer is out. Who hangs up gets none, and what was asked for may go on: then one record is
 * written at that moment, and one more for each change that comes of it, all with the id of the request.
 */
export function auditChanges(app: FastifyInstance, { audit, clock }: Pick<ApiDeps, 'audit' | 'clock'>): void {
  const isTold = (request: FastifyRequest): boolean => {
    const route = request.routeOptions.url
    return !ASKING.has(request.method) && route !== undefined && !HARMLESS_ROUTES.has(route)
  }
  const tell = (request: FastifyRequest, status: number, changes: readonly AuditedChange[]): void =>
    audit.write(recordOf(request, status, changes, clock.nowMs()))
  const answered = new WeakSet<FastifyRequest>()
  app.addHook('preHandler', async (request, reply) => {
    if (!isTold(request)) return
    const tellAbandoned = (): void => {
      if (answered.has(request)) return
      const scope = scopeOf(request)
      tell(request, STATUS_CLIENT_GONE, [...(scope?.changes ?? [])])
      if (scope !== undefined) scope.onChange = change => tell(request, STATUS_CLIENT_GONE, [change])
    }
    // An answer that is out may be told of a moment later.
    reply.raw.once('close', () => setImmediate(tellAbandoned))
  })
  app.addHook('onResponse', async (request, reply) => {
    if (!isTold(request) || LOCKED_OUT.has(reply.statusCode)) return
    answered.add(request)
    tell(request, reply.statusCode, scopeOf(request)?.changes ?? [])
  })
}

function recordOf(
  request: FastifyRequest,
  status: number,
  changes: readonly AuditedChange[],
  atMs: number,
): AuditRecord {
  const { name } = request.params as { readonly name?: string }
  return {
    atMs,
    requestId: request.id,
    principal: request.principal.name,
    role: request.principal.role,
    remoteAddress: request.ip,
    method: request.method,
    path: request.url.split('?')[0] ?? '',
    route: request.routeOptions.url ?? '',
    connector: name ?? changes[0]?.connector ?? null,
    status,
    changes,
  }
}

/**
 * The store as requests use it: each write is noted in its request's scope and carries the name of who asked and the request's
 * Idempotency-Key. A change that was made before under that key ends the request: CarriedOutBefore.
 */
export function auditedStore({ configStore: store, configs }: Pick<ApiDeps, 'configStore' | 'configs'>): ConfigStore {
  return {
    read: () => store.read(),
    history: name => store.history(name),
    marks: key => store.marks(key),
    refresh: options => store.refresh(options),
    changes: options => store.changes(options),
    write: async (change, options) => {
      const scope = requestScope()
      const before = store.read().connectors.get(change.name)
      const principal = scope?.request.principal ?? ANONYMOUS
      const by = principal === ANONYMOUS ? {} : { by: principal.name }
      const requestKey = scope?.requestKey === undefined ? {} : { requestKey: scope.requestKey }
      const result = await store.write(change, { ...by, ...requestKey, ...options }).catch(error => {
        note(scope, auditedChange(configs, change, before, null))
        throw error
      })
      note(scope, auditedChange(configs, change, before, result))
      if (result.kind === 'replayed') throw new CarriedOutBefore(result.mark)
      if (result.kind === 'keyTaken') throw keyTaken()
      return result
    },
  }
}

function note(scope: RequestScope | undefined, change: AuditedChange): void {
  scope?.changes.push(change)
  scope?.onChange?.(change)
}

function auditedChange(
  configs: ConnectorConfigs,
  change: ControlChange,
  before: ConnectorEntry | undefined,
  result: WriteResult | null,
): AuditedChange {
  const after = result !== null && 'entry' in result ? result.entry : undefined
  return {
    connector: change.name,
    change: change.kind,
    outcome: result?.kind ?? 'unknown',
    versionBefore: before?.version ?? null,
    versionAfter: after?.version ?? null,
    configBefore: before === undefined ? null : configDigest(configs, before.config),
    configAfter: after === undefined ? null : configDigest(configs, after.config),
    secretsChanged: after === undefined ? [] : secretsChanged(configs, before?.config ?? {}, after.config),
  }
}

/** A masked value says that something is there, not what: whether it is another one is told by name. */
function secretsChanged(configs: ConnectorConfigs, before: RawConfig, after: RawConfig): readonly string[] {
  const shown = masked(configs, after)
  return Object.keys(after)
    .filter(key => shown[key] !== after[key] && before[key] !== after[key])
    .sort()
}

/** SHA-256 of the masked config as JSON with sorted keys. */
export function configDigest(configs: ConnectorConfigs, config: RawConfig): string {
  const sorted = Object.entries(masked(configs, config)).sort(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex')
}
