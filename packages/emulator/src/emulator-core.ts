// What both listeners work on: one catalog, one set of streams, one storage, one set of faults.
import type { Tokens } from './access.ts'
import type { Behavior } from './behavior.ts'
import { Catalog } from './catalog/catalog.ts'
import type { Clock } from './clock.ts'
import { Faults } from './faults/faults.ts'
import { Connections } from './grpc/connections.ts'
import { SchemaPropagation } from './grpc/schema-propagation.ts'
import type { QuotaSettings } from './quotas/quota-settings.ts'
import { Quotas } from './quotas/quotas.ts'
import type { Storage } from './storage/storage.ts'
import { Committer } from './streams/committer.ts'
import { Streams } from './streams/streams.ts'

export type EmulatorCore = {
  readonly storage: Storage
  readonly committer: Committer
  readonly catalog: Catalog
  readonly streams: Streams
  readonly faults: Faults
  readonly quotas: Quotas
  readonly access: Tokens
  /** Changes while the emulator runs: read at each use. */
  readonly behavior: Behavior
  readonly clock: Clock
  readonly connections: Connections
  readonly schemaPropagation: SchemaPropagation
  /** Listeners that can tell their clients to go elsewhere. */
  readonly drains: Set<(graceMs: number) => void>
  readonly requestLimitBytes: number
  readonly nowMs: () => number
}

/** Loads what the storage has. `onBroken` is called when the storage fails for good; nothing is answered from then on. */
export async function openCore(
  storage: Storage,
  options: {
    access: Tokens
    behavior: Behavior
    quotas: QuotaSettings
    clock: Clock
    requestLimitBytes: number
    onBroken: (error: Error) => void
  },
): Promise<EmulatorCore> {
  const { access, behavior, clock, requestLimitBytes } = options
  const nowMs = (): number => clock.nowMs()
  const committer = new Committer(storage, options.onBroken)
  const catalog = new Catalog(committer, nowMs, behavior)
  const streams = new Streams(catalog, committer, nowMs, behavior)
  const schemaPropagation = new SchemaPropagation(behavior, nowMs)
  catalog.onAltered = (before, after) => schemaPropagation.changed(before, after)
  const saved = await storage.load()
  catalog.restore(saved.datasets, saved.tables)
  streams.restore(saved.streams)
  return {
    storage,
    committer,
    catalog,
    streams,
    faults: new Faults(),
    quotas: new Quotas(options.quotas, nowMs, stream => streams.isPending(stream)),
    access,
    behavior,
    clock,
    connections: new Connections(behavior, clock),
    schemaPropagation,
    drains: new Set(),
    requestLimitBytes,
    nowMs,
  }
}
