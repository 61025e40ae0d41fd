// `millrace …` as a shell sees a run that should end by itself: exit code, both outputs, and how long it took.
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Stage } from './stage.ts'

const main = fileURLToPath(new URL('../../../packages/cli/src/main.ts', import.meta.url))
const PATIENCE_MS = 60_000

export type Ended = {
  /** null: it did not end by itself. */
  readonly code: number | null
  readonly out: string
  readonly err: string
  readonly ms: number
}

export function runToItsEnd(args: readonly string[]): Promise<Ended> {
  const started = performance.now()
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'], timeout: PATIENCE_MS })
  let [out, err] = ['', '']
  child.stdout.on('data', chunk => (out += chunk))
  child.stderr.on('data', chunk => (err += chunk))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', code => resolve({ code, out, err, ms: performance.now() - started }))
  })
}

/** A worker whose start is expected to fail. */
export function runWorker(stage: Stage, over: Readonly<Record<string, string>>): Promise<Ended> {
  return runToItsEnd(['worker', '--config', propertiesFile(stage, over)])
}

/** `millrace journal inspect` with the config of the stage's workers. */
export function inspectJournal(stage: Stage, ...options: readonly string[]): Promise<Ended> {
  return runToItsEnd(['journal', 'inspect', '--config', propertiesFile(stage, {}), ...options])
}

function propertiesFile(stage: Stage, over: Readonly<Record<string, string>>): string {
  const file = join(stage.folder.path, `${stage.unique('short')}.properties`)
  const lines = Object.entries(stage.properties({ listeners: 'http://127.0.0.1:0', ...over }))
  writeFileSync(file, lines.map(([key, value]) => `${key}=${value}\n`).join(''))
  return file
}
