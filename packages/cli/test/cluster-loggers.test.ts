// scope=cluster: every worker that runs takes a level over, once; one that starts later does not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MillraceError, type StatusBoard, type WorkerId } from '@millrace/core'
import { VirtualTime } from '@millrace/testkit'
import { ClusterLoggers } from '../src/worker/cluster-loggers.ts'

function worker(time: VirtualTime, board: StatusBoard) {
  const levels = new Map<string, string>()
  const quiet = { error() {}, warn() {}, info() {}, debug() {}, child: () => quiet }
  let ids = 0
  const random = { nextUint32: () => 1, nextId: () => `id${time.nowMs()}-${ids++}` }
  const own = {
    list: () => new Map(),
    set: (name: string, level: string) => {
      if (level === 'LOUD') return null
      if (name === 'nobody') return []
      levels.set(name, level)
      return [name]
    },
  }
  return { levels, loggers: new ClusterLoggers(own, board, { clock: time, timers: time, random, logger: quiet }) }
}

test('a level set for the cluster reaches who runs, does not undo what is set later, and not who starts later', async () => {
  const time = new VirtualTime()
  const entries = new Map<WorkerId, string>()
  let isAway = false
  const board: StatusBoard = {
    publish: async (name, body) => {
      if (isAway) throw new MillraceError('REDIS_UNREACHABLE', 'retry', 'Away.')
      entries.set(name, body)
    },
    all: async () => {
      if (isAway) throw new MillraceError('REDIS_UNREACHABLE', 'retry', 'Away.')
      return entries
    },
  }
  const [first, second] = [worker(time, board), worker(time, board)]
  time.jump(10)
  assert.equal(await first.loggers.setEverywhere('root', 'LOUD'), false)
  for (let i = 0; i < 3; i++) assert.equal(await first.loggers.setEverywhere('nobody', 'DEBUG'), true)
  assert.equal(entries.size, 0, 'names nobody has do not fill Redis')
  assert.equal(await first.loggers.setEverywhere('root', 'DEBUG'), true)
  isAway = true
  await second.loggers.look()
  assert.equal(second.levels.get('root'), undefined)
  await assert.rejects(first.loggers.setEverywhere('root', 'INFO'), /Away/)
  isAway = false
  await second.loggers.look()
  assert.equal(second.levels.get('root'), 'DEBUG')
  second.loggers.set('root', 'WARN')
  await second.loggers.look()
  assert.equal(second.levels.get('root'), 'WARN')
  time.jump(10)
  const late = worker(time, board)
  await late.loggers.look()
  assert.equal(late.levels.size, 0)
  entries.set('x' as WorkerId, '{"id":1}')
  await late.loggers.look()
})
