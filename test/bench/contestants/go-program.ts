// franz-go and Google's Go writer: built once per run, from modules whose sums are pinned.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Contestant } from './contestant.ts'
import { startProgram } from './program.ts'

const SOURCE = join(import.meta.dirname, 'go')
/** A cold build compiles some 600 packages, or downloads them first. */
const BUILD_TIMEOUT_MS = 600_000
const STDERR_CHARS_MAX = 4_000
let program = ''

async function build(folder: string): Promise<string | null> {
  const target = join(folder, 'go-contestant')
  const child = spawn('go', ['build', '-mod=readonly', '-o', target, '.'], {
    cwd: SOURCE,
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: BUILD_TIMEOUT_MS,
  })
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk).slice(-STDERR_CHARS_MAX)
  })
  try {
    await once(child, 'spawn')
  } catch {
    return 'go is not installed (https://go.dev/dl)'
  }
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  if (code !== 0) return `go build ended with ${signal ?? `exit code ${code}`}: ${stderr}`
  program = target
  return null
}

export const GO: Contestant = {
  name: 'go',
  about: "franz-go and Google's Go writer",
  isCeiling: false,
  passes: 1,
  prepare: build,
  start: scene => startProgram(scene, { name: 'go', command: program, args: [], counted: 'table' }),
}
