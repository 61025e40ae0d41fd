// Who is measured: something that is started on a scene, is a process of its own, and whose rows can be counted from outside.
import type { Input } from '../inputs/index.ts'
import type { Services } from '../support/services.ts'

/** Topics that are full, and where everything runs. */
export type Scene = {
  readonly services: Services
  readonly input: Input
  readonly topics: readonly string[]
  /** Of each topic. */
  readonly partitions: number
  /** In all topics together. */
  readonly records: number
  /** Of all values. */
  readonly valueBytes: number
  /** Where CPU profiles go; null: none are taken. */
  readonly profileFolder: string | null
}

export type Running = {
  readonly pid: number
  /** How many rows it is done with. */
  rows(): Promise<number>
  /** Fails when it has ended. */
  assertAlive(): void
  /** What the preload of `loop-probe.ts` writes; null where none runs. */
  readonly loopLog: string | null
  /** Records and bytes of its journal; null where there is none. */
  readonly journal: (() => Promise<{ readonly records: number; readonly bytes: number }>) | null
  [Symbol.asyncDispose](): Promise<void>
}

export type Contestant = {
  readonly name: string
  readonly about: string
  /** Does a part of the work only: how fast the whole could be at most. */
  readonly isCeiling: boolean
  /** How often it goes through the records: what takes no time for them once is measured for long enough. */
  readonly passes: number
  /** Why it cannot be started on this machine; null when it can. What takes long (a build) is done here, once per run. */
  readonly prepare?: (folder: string) => Promise<string | null>
  readonly start: (scene: Scene) => Promise<Running>
}
