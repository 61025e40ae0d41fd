// docs/security.md names a test for each threat; one that was renamed or deleted would leave a promise without proof.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'

const root = new URL('../../../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')

test('every test that the table of threats names exists', () => {
  const rows = read('docs/security.md')
    .split('\n')
    .filter(line => line.startsWith('| ') && !line.startsWith('| Threat'))
  assert.ok(rows.length >= 15)
  for (const row of rows) {
    const [threat, , shownBy = ''] = row.slice(2, -2).split(' | ')
    const named = shownBy.split(/; (?=packages\/|test\/)/)
    assert.ok(named.length > 0, threat)
    for (const one of named) {
      const [, file = '', name = ''] = /^(\S+\.test\.ts): (.+)$/.exec(one.trim()) ?? []
      assert.ok(file !== '' && existsSync(new URL(file, root)), `${threat}: ${one}`)
      assert.ok(read(file).includes(name), `${file} has the test "${name}"`)
    }
  }
})
