// Basic authentication (RFC 7617) against scrypt hashes. A check costs 0.2 s of a thread and 32 MiB, so few run at a time, a
// password that was right is remembered as a keyed digest, and an address that guesses has to wait; so has a name that is guessed at
// from many addresses, but for those it has logged in from.
import { createHmac, randomBytes } from 'node:crypto'
import type { Clock } from '@millrace/core'
import type { Authenticator, AuthOutcome, AuthRequest } from './authenticator.ts'
import { isPasswordOf, PASSWORD_BYTES_MAX, type PasswordHash } from './password-hash.ts'
import type { Principal } from './principal.ts'
import { addressKey, TokenBuckets } from './token-buckets.ts'
import type { User, Users } from './users-file.ts'

/** Two of libuv's four threads; the others are for files and names. 2 × 128 MiB at the very worst. */
export const CHECKS_MAX = 2
/** Six seconds of waiting; who comes then is told to come again. */
export const WAITING_MAX = 64
/** 1,024 digests of 32 bytes. */
export const VERIFIED_MAX = 1_024
/** A remembered password is checked again after this. */
export const VERIFIED_MS: number = 10 * 60_000
/** Ten guesses, then one every six seconds. */
const FAILURES = { perSec: 1 / 6, burst: 10 } as const
/** Guesses at one name from all strange addresses together: fifty, then one every two seconds. */
const FAILURES_OF_NAME = { perSec: 1 / 2, burst: 50 } as const
/** Names with the address they logged in from; 10,000 digests of 32 bytes. */
const FAMILIAR_MAX = 10_000
const BUSY_RETRY_SEC = 2
const CHALLENGE = 'Basic realm="millrace", charset="UTF-8"'
const UNKNOWN: AuthOutcome = { kind: 'unknown', challenge: CHALLENGE }

type Verified = { readonly principal: Principal; readonly untilMs: number }
type Credentials = { readonly name: string; readonly password: string }

export class BasicAuthenticator implements Authenticator {
  readonly #users: () => Users
  readonly #clock: Clock
  readonly #failures = new TokenBuckets(FAILURES)
  readonly #failuresOfName = new TokenBuckets(FAILURES_OF_NAME)
  readonly #familiar = new Set<string>()
  readonly #verified = new Map<string, Verified>()
  /** Checks under way by digest: a hundred requests with one password are one check. At most CHECKS_MAX + WAITING_MAX. */
  readonly #checks = new Map<string, Promise<boolean>>()
  readonly #waiting: (() => void)[] = []
  readonly #digestKey = randomBytes(32)
  #running = 0
  #usersSeen: Users | null = null

  /** @param users those of now: when it answers another map, nothing is remembered. */
  constructor(users: () => Users, clock: Clock) {
    this.#users = users
    this.#clock = clock
  }

  async authenticate(
    { authorization, address }: AuthRequest,
    { signal }: { signal: AbortSignal },
  ): Promise<AuthOutcome> {
    const credentials = parseBasic(authorization)
    if (credentials === null) return UNKNOWN
    const users = this.#currentUsers()
    const digest = this.#digest(credentials)
    const known = this.#remembered(digest)
    if (known !== null) return { kind: 'known', principal: known }
    const from = addressKey(address)
    const guess = this.#takeGuess(from, credentials.name)
    if (guess.waitMs > 0) return { kind: 'tooMany', retryAfterSec: Math.ceil(guess.waitMs / 1000) }
    const user = users.get(credentials.name)
    const check = this.#check(digest, credentials.password, user, users)
    if (check === null) {
      guess.giveBack()
      return { kind: 'busy', retryAfterSec: BUSY_RETRY_SEC }
    }
    const isRight = await check
    signal.throwIfAborted()
    if (!isRight || user === undefined) return UNKNOWN
    guess.giveBack()
    const principal = { name: credentials.name, role: user.role }
    if (users === this.#currentUsers()) this.#remember(digest, principal)
    keepAtMost(FAMILIAR_MAX, this.#familiar)
    this.#familiar.add(this.#digest({ name: credentials.name, password: from }))
    return { kind: 'known', principal }
  }

  /** Whether somebody has that name makes no difference here. */
  #takeGuess(from: string, name: string): { readonly waitMs: number; giveBack(): void } {
    const isFamiliar = this.#familiar.has(this.#digest({ name, password: from }))
    const taken: (readonly [TokenBuckets, string])[] = []
    for (const [buckets, key] of [
      [this.#failures, from],
      ...(isFamiliar ? [] : [[this.#failuresOfName, this.#digest({ name, password: '' })] as const]),
    ] as const) {
      const waitMs = buckets.take(key, this.#clock.monotonicMs())
      if (waitMs > 0) return { waitMs, giveBack: () => {} }
      taken.push([buckets, key])
    }
    const giveBack = (): void => {
      for (const [buckets, key] of taken) buckets.giveBack(key, this.#clock.monotonicMs())
    }
    return { waitMs: 0, giveBack }
  }

  #currentUsers(): Users {
    const users = this.#users()
    if (users !== this.#usersSeen) {
      this.#verified.clear()
      this.#checks.clear() // those under way end, but nobody joins them any more
    }
    this.#usersSeen = users
    return users
  }

  /** null when too many wait. A name nobody has takes as long as a wrong password: who is there is not told. */
  #check(digest: string, password: string, user: User | undefined, users: Users): Promise<boolean> | null {
    const running = this.#checks.get(digest)
    if (running !== undefined) return running
    const hash = (user ?? users.values().next().value)?.passwordHash
    if (hash === undefined) return Promise.resolve(false)
    if (this.#running >= CHECKS_MAX && this.#waiting.length >= WAITING_MAX) return null
    const check: Promise<boolean> = this.#inTurn(password, hash)
      .then(isRight => isRight && user !== undefined)
      .finally(() => {
        if (this.#checks.get(digest) === check) this.#checks.delete(digest)
      })
    this.#checks.set(digest, check)
    return check
  }

  async #inTurn(password: string, hash: PasswordHash): Promise<boolean> {
    if (this.#running >= CHECKS_MAX) await new Promise<void>(resolve => this.#waiting.push(resolve))
    else this.#running += 1
    try {
      return await isPasswordOf(password, hash)
    } finally {
      const next = this.#waiting.shift() // takes over this turn
      if (next === undefined) this.#running -= 1
      else next()
    }
  }

  #remembered(digest: string): Principal | null {
    const verified = this.#verified.get(digest)
    if (verified === undefined) return null
    if (verified.untilMs > this.#clock.monotonicMs()) return verified.principal
    this.#verified.delete(digest)
    return null
  }

  #remember(digest: string, principal: Principal): void {
    keepAtMost(VERIFIED_MAX, this.#verified)
    this.#verified.set(digest, { principal, untilMs: this.#clock.monotonicMs() + VERIFIED_MS })
  }

  /** Keyed by what only this process knows: a dump of the memory is no list of password digests to guess at. */
  #digest({ name, password }: Credentials): string {
    return createHmac('sha256', this.#digestKey)
      .update(JSON.stringify([name, password]))
      .digest('base64')
  }
}

/** Makes room for one more: the oldest goes. */
function keepAtMost(max: number, entries: Set<string> | Map<string, unknown>): void {
  if (entries.size < max) return
  const oldest = entries.keys().next()
  if (!oldest.done) entries.delete(oldest.value)
}

function parseBasic(header: string | undefined): Credentials | null {
  const encoded = /^Basic +([A-Za-z0-9+/_=-]+) *$/i.exec(header ?? '')?.[1]
  if (encoded === undefined || encoded.length > 2 * PASSWORD_BYTES_MAX) return null
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon < 0 ? null : { name: text.slice(0, colon), password: text.slice(colon + 1) }
}
