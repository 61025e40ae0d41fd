import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseWorkerConfig } from '@millrace/config'

const deploy = fileURLToPath(new URL('../../../deploy', import.meta.url))
const examples = readdirSync(deploy).filter(name => name.endsWith('.properties'))

test('there are examples of worker properties', () => assert.ok(examples.length >= 2))

for (const name of examples) {
  test(`deploy/${name} parses, and so does each setting it shows as a comment`, () => {
    const text = readFileSync(join(deploy, name), 'utf8').replace(/^#(?=[a-z.]+=)/gm, '')
    const parse = parseWorkerConfig({ file: { path: name, text } })
    assert.ok(parse.ok, JSON.stringify(parse))
    assert.deepEqual(parse.notices, [])
  })
}
