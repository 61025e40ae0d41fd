// What `npm pack` runs before it packs: src/ becomes dist/ (Node does not strip types below node_modules), protos/ comes along.
// Plain JavaScript for any Node >= 20. Types are not checked here: the repository's tests do that.
import { spawnSync } from 'node:child_process'
import { cpSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const here = import.meta.dirname
const dist = join(here, 'dist')

rmSync(dist, { recursive: true, force: true })
if (process.argv[2] !== '--clean') build()

function build() {
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc')
  const { status, error } = spawnSync(process.execPath, [tsc, '-p', join(here, 'tsconfig.pack.json')], {
    // stdout is npm's: `npm pack --json` is read by programs.
    stdio: ['ignore', 2, 2],
  })
  if (error) throw error
  if (status !== 0) process.exit(1)
  cpSync(join(here, '..', '..', 'protos'), join(dist, 'protos'), { recursive: true })
}
