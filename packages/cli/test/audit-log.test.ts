// The audit never holds a request up and never loses a record silently.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AuditRecord } from '@millrace/api'
import type { Logger } from '@millrace/core'
import type { LostOffsetsRecord } from '@millrace/worker'
import { AuditLog } from '../src/worker/audit-log.ts'

const RECORD: AuditRecord = {
  atMs: 1,
  requestId: 'r',
  principal: 'ada',
  role: 'admin',
  remoteAddress: '127.0.0.1',
  method: 'DELETE',
  path: '/connectors/a',
  route: '/connectors/:name',
  connector: 'a',
  status: 204,
  changes: [],
}
function logTo(lines: string[]): Logger {
  const at =
    (level: string) =>
    (fields: object): void =>
      void lines.push(`${level} ${JSON.stringify(fields)}`)
  const logger: Logger = {
    error: at('error'),
    warn: at('warn'),
    info: at('info'),
    debug: at('debug'),
    child: () => logger,
  }
  return logger
}
const { signal } = new AbortController()

test('each record goes to the log and to the topic, by connector', async () => {
  const [lines, written]: [string[], string[]] = [[], []]
  const topic = { append: async (key: string, value: string) => void written.push(`${key} ${value}`) }
  const audit = new AuditLog(topic, logTo(lines), { signal })
  audit.write(RECORD)
  audit.write({ ...RECORD, connector: null })
  await audit.flush({ signal })
  assert.deepEqual(
    lines.map(line => line.slice(0, 14)),
    ['info {"audit":', 'info {"audit":'],
  )
  assert.match(written[0] ?? '', /^a \{"atMs":1,/)
  assert.match(written[1] ?? '', /^\/connectors\/:name /)
  assert.equal(audit.lostCount, 0)
  const logOnly = new AuditLog(null, logTo(lines), { signal })
  logOnly.write(RECORD)
  assert.equal(lines.length, 3)
})

test('what the topic refuses or has no room for is counted and said once; a hanging topic holds nobody up', async () => {
  const lines: string[] = []
  let isAway = true
  const topic = {
    append: async (): Promise<void> => {
      if (isAway) throw new Error('away')
    },
  }
  const audit = new AuditLog(topic, logTo(lines), { signal })
  for (let i = 0; i < 3; i++) audit.write(RECORD)
  await audit.flush({ signal })
  assert.equal(audit.lostCount, 3)
  assert.equal(lines.filter(line => line.startsWith('warn')).length, 1)
  isAway = false
  audit.write(RECORD)
  audit.write(RECORD)
  await audit.flush({ signal })
  assert.equal(audit.lostCount, 3)
  assert.deepEqual(
    lines.filter(line => line.startsWith('info {"lost"')),
    ['info {"lost":3}'],
    'how many it lacks is said once it takes them again',
  )

  const hanging = new AuditLog({ append: () => new Promise(() => {}) }, logTo(lines), { signal })
  for (let i = 0; i < 1_005; i++) hanging.write(RECORD)
  assert.equal(hanging.lostCount, 5)
  await hanging.flush({ signal: AbortSignal.timeout(5) })
  assert.equal(lines.at(-1), 'warn {"pending":1000}', 'what may not arrive before the end is said')
})

test('skipped offsets are kept before anybody goes on: in the topic, or its refusal is heard', async () => {
  const written: string[] = []
  const record = { kind: 'offsetsLost', id: 'i/t-0@1..3', connector: 'a' } as LostOffsetsRecord
  const topic = { append: async (key: string, value: string) => void written.push(`${key} ${value}`) }
  await new AuditLog(topic, logTo([]), { signal }).keepLostOffsets(record, { signal })
  assert.deepEqual(written, [`a ${JSON.stringify(record)}`])
  const away = { append: async (): Promise<void> => Promise.reject(new Error('away')) }
  await assert.rejects(new AuditLog(away, logTo([]), { signal }).keepLostOffsets(record, { signal }), /away/)
  await new AuditLog(null, logTo([]), { signal }).keepLostOffsets(record, { signal })
})
