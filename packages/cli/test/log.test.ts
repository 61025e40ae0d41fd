// What a line of the log holds, whatever is logged: one line of JSON, no secret that hangs on an error, nothing a terminal obeys.
import assert from 'node:assert/strict'
import { closeSync, openSync } from 'node:fs'
import { test } from 'node:test'
import { MillraceError, Secret } from '@millrace/core'
import { VirtualTime } from '@millrace/testkit'
import { lineSink, openLog } from '../src/worker/log.ts'
import { Redactor } from '../src/worker/redactor.ts'

const CANARY = 'c4n4ry'

function logOf(): { lines: string[]; log: ReturnType<typeof openLog>; redactor: Redactor } {
  const lines: string[] = []
  const redactor = new Redactor()
  const sink = { write: (line: string) => lines.push(line), flushSync: () => {} }
  const log = openLog(new VirtualTime(), redactor, sink)
  log.levels.set('root', 'TRACE')
  return { lines, log, redactor }
}

test('of an error only what it says is shown, not what a library hung on it', () => {
  const { lines, log } = logOf()
  // As ioredis and HTTP clients make them.
  const auth = Object.assign(new Error('WRONGPASS invalid password'), { command: { name: 'auth', args: [CANARY] } })
  const http = Object.assign(new Error('Forbidden'), { code: 403, config: { headers: { authorization: CANARY } } })
  const ours = new MillraceError('REDIS_AUTH_FAILED', 'failPartition', 'Redis refuses.', {
    cause: auth,
    details: { topic: 't' },
  })
  const ring = Object.assign(new Error('ring'), { cause: null as unknown })
  ring.cause = ring
  for (const err of [
    auth,
    http,
    ours,
    new AggregateError([auth, http], 'both'),
    ring,
    `${1}`,
    { secret: CANARY },
    null,
  ])
    log.logger.error({ err, password: new Secret(CANARY) }, 'It failed.')
  assert.ok(!lines.join('').includes(CANARY), lines.join(''))
  const parsed = lines.map(line => JSON.parse(line))
  assert.equal(parsed.length, 8)
  const { type, message, code, disposition, details, cause, stack } = parsed[2].err
  assert.deepEqual(
    { type, message, code, disposition, details, cause: cause.message },
    {
      type: 'MillraceError',
      message: 'Redis refuses.',
      code: 'REDIS_AUTH_FAILED',
      disposition: 'failPartition',
      details: { topic: 't' },
      cause: 'WRONGPASS invalid password',
    },
  )
  assert.match(stack, /log\.test\.ts/)
  assert.deepEqual(
    parsed[3].err.errors.map((error: { message: string }) => error.message),
    ['WRONGPASS invalid password', 'Forbidden'],
  )
})

test('a name from outside stays in its line and its place, and is still the same name', () => {
  const { lines, log, redactor } = logOf()
  redactor.add(CANARY)
  const name = `a\n{"level":50}\r\u001b[31m\u009b31m\u007f\u202e\u2066\u2028\u200f\u0000 💥 ä ${CANARY}`
  log.logger.child({ connector: name }).warn({ by: name }, `Connector ${name} is here.`)
  assert.equal(lines.length, 1)
  const [line = ''] = lines
  assert.equal(line.indexOf('\n'), line.length - 1)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is the purpose
  assert.doesNotMatch(line.slice(0, -1), /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/)
  const { connector, by } = JSON.parse(line)
  const shown = name.replace(CANARY, '[hidden]')
  assert.deepEqual([connector, by], [shown, shown])
})

test('a disk that is full is no error of those who log', () => {
  const fd = openSync('/dev/full', 'w') // every write to it is ENOSPC
  const log = openLog(new VirtualTime(), new Redactor(), lineSink(fd))
  for (let i = 0; i < 1_000; i++) log.logger.info({ i, filler: 'x'.repeat(500) }, 'Something happened.')
  log.flush()
  closeSync(fd)
})
