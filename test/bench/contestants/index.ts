// Everybody, in the order of the tables.
import type { Contestant } from './contestant.ts'
import { GO } from './go-program.ts'
import { FETCH_ONLY, GOOGLE_NODE, GRPC_ONLY, TRANSCODE_ONLY } from './node-programs.ts'
import { OURS, WITHOUT_JOURNAL } from './ours.ts'

export type { Contestant, Running, Scene } from './contestant.ts'
export const CONTESTANTS: readonly Contestant[] = [
  OURS,
  WITHOUT_JOURNAL,
  GOOGLE_NODE,
  GO,
  FETCH_ONLY,
  TRANSCODE_ONLY,
  GRPC_ONLY,
]
