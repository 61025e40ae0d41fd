import assert from 'node:assert/strict'
import { test } from 'node:test'
import { classifyError } from '../src/index.ts'

const reply = (message: string): Error => Object.assign(new Error(message), { name: 'ReplyError' })

const TABLE: readonly [Error, string, string][] = [
  [reply('LOADING Redis is loading the dataset in memory'), 'REDIS_REFUSED', 'retry'],
  [reply('READONLY You can’t write against a read only replica.'), 'REDIS_REFUSED', 'retry'],
  [reply('OOM command not allowed when used memory > ‘maxmemory’.'), 'REDIS_REFUSED', 'retry'],
  [reply('MISCONF Redis is configured to save RDB snapshots'), 'REDIS_REFUSED', 'retry'],
  [reply('MASTERDOWN Link with MASTER is down'), 'REDIS_REFUSED', 'retry'],
  [reply('BUSY Redis is busy running a script.'), 'REDIS_REFUSED', 'retry'],
  [reply('NOREPLICAS Not enough good replicas to write.'), 'REDIS_REFUSED', 'retry'],
  [reply('CLUSTERDOWN Hash slot not served'), 'REDIS_REFUSED', 'retry'],
  [reply('TRYAGAIN Multiple keys request during rehashing of slot'), 'REDIS_REFUSED', 'retry'],
  [reply('UNBLOCKED client unblocked'), 'REDIS_REFUSED', 'retry'],
  [reply('NOAUTH Authentication required.'), 'REDIS_AUTH_FAILED', 'retry'],
  [reply('WRONGPASS invalid username-password pair'), 'REDIS_AUTH_FAILED', 'retry'],
  [reply('NOPERM this user has no permissions'), 'REDIS_AUTH_FAILED', 'retry'],
  [reply('WRONGTYPE Operation against a key holding the wrong kind of value'), 'REDIS_REFUSED', 'failPartition'],
  [reply('ERR Error running script'), 'REDIS_REFUSED', 'failPartition'],
  [new Error('connect ECONNREFUSED 127.0.0.1:1'), 'REDIS_UNREACHABLE', 'retry'],
  [new Error('Command timed out'), 'REDIS_UNREACHABLE', 'retry'],
  [new Error('Stream isn’t writeable and enableOfflineQueue options is false'), 'REDIS_UNREACHABLE', 'retry'],
]

test('every failure of Redis has a code and a disposition; what has no rule is loud', () => {
  for (const [error, code, disposition] of TABLE) {
    const classified = classifyError(error, 'test')
    assert.equal(classified.code, code, error.message)
    assert.equal(classified.disposition, disposition, error.message)
    assert.equal(classifyError(classified, 'again'), classified)
  }
})

test('a command without a connection is said plainly, not in the words of ioredis', () => {
  const offline = new Error("Stream isn't writeable and enableOfflineQueue options is false")
  assert.equal(classifyError(offline, 'lease-renew-1').message, 'Redis did not answer (lease-renew-1): not connected')
})
