// What both listeners work on: one catalog, one set of streams, one storage, one set of faults.
import type { Access } from './access.ts'
import type { Behavior } from './behavior.ts'
import { Catalog } from './catalog/catalog.ts'
import type { Clock } from './clock.ts'
import { Faults } from './faults/faults.ts'
import type { Storage } from './storage/storage.ts'
import { Committer } from './streams/committer.ts'
import { Streams } from './streams/streams.ts'

/** One open AppendRows call, for /emulator/state. */
export type ConnectionView = {
  readonly openedMs: number
  stream: string
  requests: number
  rows: number
  refused: number
}

export type EmulatorCore = {
  readonly storage: Storage
  readonly committer: Committer
  readonly catalog: Catalog
  readonly streams: Streams
  readonly faults: Faults
  readonly access: Access
  /** Changes while the emulator runs: read at each use. */
  readonly behavior: Behavior
  readonly clock: Clock
  readonly connections: Set<ConnectionView>
  readonly requestLimitBytes: number
  readonly nowMs: () => number
}

/** Loads what the storage has. `onBroken` is called when the storage fails for good; nothing is answered from then on. */
export async function openCore(
  storage: Storage,
  options: {
    access: Access
    behavior: Behavior
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
  const saved = await storage.load()
  catalog.restore(saved.datasets, saved.tables)
  streams.restore(saved.streams)
  return {
    storage,
    committer,
    catalog,
    streams,
    faults: new Faults(),
    access,
    behavior,
    clock,
    connections: new Set(),
    requestLimitBytes,
    nowMs,
  }
}
