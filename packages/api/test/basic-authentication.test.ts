// Log-ins by name and password: right, wrong, many, and after the file of users changed.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isMillraceError } from '@millrace/core'
import { VirtualTime } from '@millrace/testkit'
import type { AuthOutcome } from '../src/index.ts'
import { BasicAuthenticator, CHECKS_MAX, VERIFIED_MS, WAITING_MAX } from '../src/security/basic-authenticator.ts'
import { hashPassword, isPasswordOf, parsePasswordHash } from '../src/security/password-hash.ts'
import { addressKey, BUCKETS_MAX, TokenBuckets } from '../src/security/token-buckets.ts'
import { parseUsers, type Users } from '../src/security/users-file.ts'

const CHEAP = { cost: 2, blockSize: 1, parallelization: 1 }
const line = async (name: string, role: string, password: string): Promise<string> =>
  `${name}:${role}:${await hashPassword(password, CHEAP)}`
const basic = (name: string, password: string): string =>
  `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`

class Door {
  readonly time: VirtualTime = new VirtualTime()
  users: Users
  readonly authenticator: BasicAuthenticator
  constructor(users: Users) {
    this.users = users
    this.authenticator = new BasicAuthenticator(() => this.users, this.time)
  }
  static async open(...lines: readonly Promise<string>[]): Promise<Door> {
    return new Door(parseUsers((await Promise.all(lines)).join('\n')))
  }
  async knock(authorization: string | undefined, address = '10.0.0.1'): Promise<AuthOutcome> {
    return await this.authenticator.authenticate({ authorization, address }, { signal: new AbortController().signal })
  }
}

describe('passwords', () => {
  test('a hash is checked in the time of its parameters and says nothing of the password', async () => {
    const text = await hashPassword('pässword:with colon')
    assert.match(text, /^scrypt\$32768\$8\$3\$[\w-]{22}\$[\w-]{43}$/)
    const hash = parsePasswordHash(text)
    assert.ok(hash !== null)
    assert.equal(await isPasswordOf('pässword:with colon', hash), true)
    assert.equal(await isPasswordOf('passwordwith colon', hash), false)
  })

  test('hashes that are malformed, weak or would take all the memory are none', () => {
    const salt = 'A'.repeat(22)
    const key = 'A'.repeat(43)
    assert.ok(parsePasswordHash(`scrypt$2$1$1$${salt}$${key}`) !== null)
    for (const text of [
      '',
      'password',
      `scrypt$0$8$1$${salt}$${key}`,
      `scrypt$1000$8$1$${salt}$${key}`,
      `scrypt$67108864$8$1$${salt}$${key}`,
      `scrypt$32768$0$1$${salt}$${key}`,
      `scrypt$32768$8$99$${salt}$${key}`,
      `scrypt$32768$8$1$AA$${key}`,
      `scrypt$32768$8$1$${salt}$AA`,
      `scrypt$32768$8$1$${salt}$${key}$more`,
      `bcrypt$32768$8$1$${salt}$${key}`,
    ])
      assert.equal(parsePasswordHash(text), null, text)
  })

  test('a wrong line of the file is named by its number and never shown', async () => {
    const good = await line('ann', 'admin', 'x')
    for (const [text, problem] of [
      ['# nobody', /has no users/],
      [`${good}\nbob:admin:c4n4ry`, /line 2 has no hash/],
      [`${good}\nbob:c4n4ry:${good.split(':')[2]}`, /line 2 has no role/],
      [`${good}\nc4n4ry`, /line 2 is not name:role:hash/],
      [`${good}\n\n${good}`, /line 3 names a user who is there already/],
    ] as const) {
      assert.throws(
        () => parseUsers(text),
        error =>
          isMillraceError(error) &&
          error.code === 'CONFIG_INVALID' &&
          problem.test(error.message) &&
          !error.message.includes('c4n4ry'),
        text,
      )
    }
    const users = parseUsers(`\ufeff# people\r\n${good}\r\n`)
    assert.deepEqual([...users.keys()], ['ann'])
  })
})

describe('logging in', () => {
  test('the right password is known by its role, anything else is not, whoever it names', async () => {
    const door = await Door.open(line('ann', 'admin', 'sécret:1'), line('bob', 'viewer', 'b'))
    const ann = { kind: 'known', principal: { name: 'ann', role: 'admin' } }
    assert.deepEqual(await door.knock(basic('ann', 'sécret:1')), ann)
    assert.deepEqual(await door.knock(basic('ann', 'sécret:1')), ann, 'remembered')
    for (const wrong of [
      undefined,
      '',
      'Basic',
      'Basic !!!!',
      'Bearer abc',
      basic('ann', ''),
      basic('ann', 'b'),
      basic('Ann', 'sécret:1'),
      basic('nobody', 'b'),
      `Basic ${Buffer.from('no colon').toString('base64')}`,
      basic('ann', 'x'.repeat(10_000)),
    ]) {
      const outcome = await door.knock(wrong, `10.1.0.${String(wrong).length % 250}`)
      assert.equal(outcome.kind, 'unknown', String(wrong))
    }
  })

  test('an address that guesses has to wait, others and those who are known need not', async () => {
    const door = await Door.open(line('ann', 'admin', 'right'))
    await door.knock(basic('ann', 'right'))
    const guesses = await Promise.all(Array.from({ length: 30 }, (_, i) => door.knock(basic('ann', `guess ${i}`))))
    assert.equal(guesses.filter(({ kind }) => kind === 'unknown').length, 10)
    const refused = guesses.filter(outcome => outcome.kind === 'tooMany')
    assert.equal(refused.length, 20)
    assert.ok(refused.every(({ retryAfterSec }) => retryAfterSec === 6))
    assert.equal((await door.knock(basic('ann', 'right'))).kind, 'known', 'a password that was right is remembered')
    assert.equal((await door.knock(basic('ann', 'guess'), '10.0.0.2')).kind, 'unknown')
    door.time.jump(6_000)
    assert.equal((await door.knock(basic('ann', 'guess'))).kind, 'unknown')
    assert.equal((await door.knock(basic('ann', 'guess'))).kind, 'tooMany')
  })

  test('a name that is guessed at from everywhere has to wait too, but where it has logged in before', async () => {
    const door = await Door.open(line('ann', 'admin', 'right'), line('bob', 'viewer', 'b'))
    assert.equal((await door.knock(basic('ann', 'right'), '10.9.0.1')).kind, 'known')
    for (const name of ['ann', 'nobody']) {
      const kinds: string[] = []
      for (let i = 0; i < 60; i++)
        kinds.push((await door.knock(basic(name, `guess ${i}`), `10.${name.length}.1.${i}`)).kind)
      assert.deepEqual(
        [kinds.indexOf('tooMany'), kinds.lastIndexOf('unknown')],
        [50, 49],
        'the same for who is not there',
      )
    }
    door.time.jump(1)
    assert.equal(
      (await door.knock(basic('ann', 'right'), '10.8.0.1')).kind,
      'known',
      'remembered wherever it comes from',
    )
    door.time.jump(VERIFIED_MS + 1)
    for (let i = 0; i < 60; i++) await door.knock(basic('ann', `guess ${i}`), `10.7.2.${i}`)
    assert.equal((await door.knock(basic('ann', 'right'), '10.8.0.2')).kind, 'tooMany')
    assert.equal((await door.knock(basic('ann', 'right'), '10.9.0.1')).kind, 'known', 'not locked out by others')
    assert.equal((await door.knock(basic('bob', 'b'), '10.8.0.3')).kind, 'known', 'nor anybody else')
  })

  test('right passwords cost no guesses', async () => {
    const door = await Door.open(...Array.from({ length: 30 }, (_, i) => line(`u${i}`, 'viewer', 'p')))
    for (let i = 0; i < 30; i++) assert.equal((await door.knock(basic(`u${i}`, 'p'))).kind, 'known')
  })

  test('more log-ins than can wait are told to come again', async () => {
    const door = await Door.open(line('ann', 'admin', 'right'))
    const attempts = Array.from({ length: CHECKS_MAX + WAITING_MAX + 10 }, (_, i) =>
      door.knock(basic(`somebody ${i}`, 'guess'), `10.0.1.${i}`),
    )
    const kinds = (await Promise.all(attempts)).map(({ kind }) => kind)
    assert.equal(kinds.filter(kind => kind === 'busy').length, 10)
    assert.equal((await door.knock(basic('ann', 'right'))).kind, 'known')
  })

  test('when the users change, nobody is remembered by the old file', async () => {
    const door = await Door.open(line('ann', 'admin', 'old'))
    assert.equal((await door.knock(basic('ann', 'old'))).kind, 'known')
    door.users = parseUsers(await line('ann', 'viewer', 'new'))
    assert.equal((await door.knock(basic('ann', 'old'))).kind, 'unknown')
    assert.deepEqual(await door.knock(basic('ann', 'new')), {
      kind: 'known',
      principal: { name: 'ann', role: 'viewer' },
    })
    door.time.jump(VERIFIED_MS + 1)
    assert.equal((await door.knock(basic('ann', 'new'))).kind, 'known', 'checked again')
  })
})

describe('buckets', () => {
  test('their number is bounded: the one that was not used for longest goes', () => {
    const buckets = new TokenBuckets({ perSec: 1, burst: 1 })
    assert.equal(buckets.take('first', 0), 0)
    for (let i = 0; i < BUCKETS_MAX + 10; i++) buckets.take(`a${i}`, 0)
    assert.equal(buckets.size, BUCKETS_MAX)
    assert.equal(buckets.take(`a${BUCKETS_MAX}`, 0), 1000)
    assert.equal(buckets.take('first', 0), 0, 'forgotten')
  })

  test('addresses of one IPv6 network count as one', () => {
    assert.equal(addressKey('::ffff:10.0.0.1'), '10.0.0.1')
    assert.equal(addressKey('2001:db8:0:1::5'), addressKey('2001:db8:0:1:ffff::9'))
    assert.notEqual(addressKey('2001:db8:0:2::5'), addressKey('2001:db8:0:1::5'))
    assert.equal(addressKey('::1'), '0:0:0:0')
  })
})
