// What a program is told, as JSON in its first argument.
import type { Field } from '../../e2e/support/stage.ts'

export type ProgramTask = {
  /** `host:port`. */
  readonly broker: string
  readonly groupId: string
  /** `host:port` of the Write API, and the URL of REST v2. */
  readonly grpc: string
  readonly rest: string
  readonly project: string
  readonly dataset: string
  readonly topics: readonly { readonly topic: string; readonly table: string }[]
  /** Of each topic. */
  readonly partitions: number
  readonly fields: readonly Field[]
  /** In all topics together. */
  readonly records: number
  /** Where a program that writes no rows tells how many it is done with. */
  readonly countFile: string
}

/** Also sees to it that SIGTERM is an orderly end: without one there is no CPU profile. */
export function programTask(): ProgramTask {
  process.once('SIGTERM', () => process.exit(0))
  return JSON.parse(process.argv[2] ?? 'null') as ProgramTask
}
