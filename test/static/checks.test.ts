// The checks that are programs of their own: types, format and lint, promises nobody waits for.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

function passes(tool: string, args: readonly string[]): void {
  const done = spawnSync(join(root, 'node_modules/.bin', tool), [...args], { cwd: root, encoding: 'utf8' })
  assert.equal(done.status, 0, `${tool} ${args.join(' ')}\n${done.stdout}${done.stderr}`)
}

test('the types are right (tsc)', () => passes('tsc', ['--noEmit']))
test('format and lint are right (biome)', () => passes('biome', ['check', '--colors=off', '--max-diagnostics=50']))
test('no promise is left floating and every switch is exhaustive (oxlint)', () =>
  passes('oxlint', ['--type-aware', 'packages', 'test', 'bin']))
