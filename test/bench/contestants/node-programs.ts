// The contestants that are Node programs.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { profileFlags } from '../support/profile.ts'
import type { Contestant, Scene } from './contestant.ts'
import { type Program, type RunningProgram, startProgram } from './program.ts'

const CEILING_PASSES = 3
const PROBE = fileURLToPath(new URL('../support/loop-probe.ts', import.meta.url))
const GOOGLE_NODE_MAIN = fileURLToPath(new URL('./google-node.ts', import.meta.url))
const FETCH_ONLY_MAIN = fileURLToPath(new URL('./fetch-only.ts', import.meta.url))
const TRANSCODE_ONLY_MAIN = fileURLToPath(new URL('./transcode-only.ts', import.meta.url))
const GRPC_ONLY_MAIN = fileURLToPath(new URL('./grpc-only.ts', import.meta.url))

function startNode(scene: Scene, name: string, main: string, counted: Program['counted']): Promise<RunningProgram> {
  const loopLog = join(scene.services.folder, `${scene.services.unique(name)}.loop`)
  return startProgram(scene, {
    name,
    command: process.execPath,
    args: [...profileFlags(scene.profileFolder), '--import', PROBE, main],
    env: { MILLRACE_BENCH_LOOP_LOG: loopLog },
    loopLog,
    counted,
  })
}

/** For the measurement of latency, which reads which stream belongs to which partition from its log. */
export const startGoogleNode = (scene: Scene): Promise<RunningProgram> =>
  startNode(scene, 'google-node', GOOGLE_NODE_MAIN, 'table')

export const GOOGLE_NODE: Contestant = {
  name: 'google-node',
  about: "KafkaJS and Google's Node writer",
  isCeiling: false,
  passes: 1,
  start: startGoogleNode,
}
const ceiling = (name: string, about: string, main: string, counted: Program['counted']): Contestant => ({
  name,
  about,
  isCeiling: true,
  passes: CEILING_PASSES,
  start: scene => startNode(scene, name, main, counted),
})
export const FETCH_ONLY: Contestant = ceiling('fetch-only', 'our fetcher, which counts', FETCH_ONLY_MAIN, 'file')
export const TRANSCODE_ONLY: Contestant = ceiling(
  'transcode-only',
  'our converter over records in memory',
  TRANSCODE_ONLY_MAIN,
  'file',
)
export const GRPC_ONLY: Contestant = ceiling(
  'grpc-only',
  'encoded rows over our append connections',
  GRPC_ONLY_MAIN,
  'table',
)
