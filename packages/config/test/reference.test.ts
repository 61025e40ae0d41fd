import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { connectorReference, workerReference } from '../src/docs/reference.ts'

const committed = (name: string): string =>
  readFileSync(join(import.meta.dirname, '../../../docs/reference', name), 'utf8')
const HINT = 'run: node packages/config/src/docs/write-reference.ts'

test('the reference pages are those of the definitions', () => {
  assert.equal(committed('connector-config.md'), connectorReference(), HINT)
  assert.equal(committed('worker-config.md'), workerReference(), HINT)
})
