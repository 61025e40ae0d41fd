import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMillraceError } from '@millrace/core'
import { parseProperties } from '../src/worker/properties.ts'

const read = (text: string): Record<string, string> =>
  Object.fromEntries([...parseProperties(text, 'w.properties')].map(([key, { value }]) => [key, value]))

test('keys and values are separated by =, : or white space', () => {
  assert.deepEqual(read('a=1\nb: 2\nc 3\nd = 4 \n  e\t=\t5\nf\ng=\n'), {
    a: '1',
    b: '2',
    c: '3',
    d: '4 ',
    e: '5',
    f: '',
    g: '',
  })
  assert.deepEqual(read('url=http://h:1/?a=b'), { url: 'http://h:1/?a=b' })
})

test('comments and blank lines are skipped; a hash inside a value stays', () => {
  assert.deepEqual(read('# c\n   ! c\n\n\t\na=1 # not a comment'), { a: '1 # not a comment' })
})

test('a trailing backslash continues the line, an escaped one does not', () => {
  assert.deepEqual(read('a=1,\\\n    2,\\\r\n\t3\nb=x\\\\\nc=y'), { a: '1,2,3', b: 'x\\', c: 'y' })
  assert.deepEqual(read('a=1\\\n# still the value'), { a: '1# still the value' })
  assert.deepEqual(read('a=1\\'), { a: '1' })
})

test('escapes are decoded in keys and values', () => {
  assert.deepEqual(read('a\\=b\\:c\\ d=\\u0041\\t\\n\\q\\\\'), { 'a=b:c d': 'A\t\nq\\' })
})

test('a byte order mark and all line endings are understood', () => {
  assert.deepEqual(read('\ufeffa=1\rb=2\r\nc=3'), { a: '1', b: '2', c: '3' })
})

test('the last of two equal keys wins, with its line number', () => {
  const properties = parseProperties('a=1\n\\\n\na=2\\\n3\n', 'w.properties')
  assert.deepEqual([...properties], [['a', { value: '23', line: 4 }]])
})

test('a malformed unicode escape is an error naming file and line', () => {
  assert.throws(
    () => parseProperties('a=1\nb=\\u00', 'w.properties'),
    error => isMillraceError(error) && error.code === 'CONFIG_INVALID' && error.message.startsWith('w.properties:2:'),
  )
})
