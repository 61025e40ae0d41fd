import assert from 'node:assert/strict'
import test from 'node:test'
import type { ConfigNotice } from '@millrace/config'
import type { Incarnation, Logger } from '@millrace/core'
import { ConnectorNotices } from '../src/worker/connector-notices.ts'

const UNKNOWN: ConfigNotice = { key: 'foo.bar', kind: 'unknown', message: 'foo.bar has no effect.' }
const IGNORED: ConfigNotice = { key: 'old', kind: 'ignored', message: 'old is ignored.' }

function listen(): { readonly logger: Logger; readonly lines: string[] } {
  const lines: string[] = []
  const at =
    (level: string): Logger['warn'] =>
    (fields, sentence) => {
      lines.push(`${level} ${JSON.stringify(fields)} ${sentence}`)
    }
  const logger: Logger = {
    error: at('error'),
    warn: at('warn'),
    info: at('info'),
    debug: at('debug'),
    child: () => logger,
  }
  return { logger, lines }
}

const entry = (configGeneration: number, incarnation = 'i1') => ({
  name: 'flights',
  incarnation: incarnation as Incarnation,
  configGeneration,
})

test('a key without effect is told once per config, by its connector and key', () => {
  const { logger, lines } = listen()
  const notices = new ConnectorNotices(logger)
  notices.tell(entry(1), [UNKNOWN, IGNORED])
  notices.tell(entry(1), [UNKNOWN, IGNORED])
  assert.deepEqual(lines, [
    'warn {"connector":"flights","key":"foo.bar"} foo.bar has no effect.',
    'info {"connector":"flights","key":"old"} old is ignored.',
  ])
})

test('a changed config and a new connector of the same name are told again', () => {
  const { logger, lines } = listen()
  const notices = new ConnectorNotices(logger)
  notices.tell(entry(1), [UNKNOWN])
  notices.tell(entry(2), [UNKNOWN])
  notices.tell(entry(2, 'i2'), [UNKNOWN])
  assert.equal(lines.length, 3)
})
