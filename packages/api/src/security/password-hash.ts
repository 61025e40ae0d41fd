// Passwords as scrypt hashes, in one line of text: scrypt$N$r$p$salt$hash, the last two in base64url.
import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'

export type HashCost = Pick<PasswordHash, 'cost' | 'blockSize' | 'parallelization'>
export type PasswordHash = {
  readonly cost: number
  readonly blockSize: number
  readonly parallelization: number
  readonly salt: Buffer
  readonly hash: Buffer
}

/** 32 MiB and about 0.2 s: https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html (N=2^15, r=8, p=3). */
const DEFAULT_COST: HashCost = { cost: 2 ** 15, blockSize: 8, parallelization: 3 }
const HASH_BYTES = 32
const SALT_BYTES = 16
/** A line may ask for 128 × N × r bytes; two are computed at a time. */
const MEMORY_BYTES_MAX = 128 * 1024 * 1024
const PARALLELIZATION_MAX = 16
/** A password is no novel; the line of a terminal ends at 4,096. */
export const PASSWORD_BYTES_MAX = 1024

export async function hashPassword(password: string, params: HashCost = DEFAULT_COST): Promise<string> {
  const salt = randomBytes(SALT_BYTES)
  const { cost, blockSize, parallelization } = params
  const hash = await derive(password, { ...params, salt, hash: Buffer.alloc(HASH_BYTES) })
  return ['scrypt', cost, blockSize, parallelization, salt.toString('base64url'), hash.toString('base64url')].join('$')
}

/** null unless it is such a hash, strong enough to keep and small enough to compute. */
export function parsePasswordHash(text: string): PasswordHash | null {
  const [, cost, blockSize, parallelization, salt, hash] =
    /^scrypt\$(\d{1,8})\$(\d{1,3})\$(\d{1,2})\$([\w-]{1,128})\$([\w-]{1,128})$/.exec(text) ?? []
  if (salt === undefined || hash === undefined) return null
  const parsed = {
    cost: Number(cost),
    blockSize: Number(blockSize),
    parallelization: Number(parallelization),
    salt: Buffer.from(salt, 'base64url'),
    hash: Buffer.from(hash, 'base64url'),
  }
  const isPowerOfTwo = Number.isInteger(Math.log2(parsed.cost)) && parsed.cost > 1
  const isBounded =
    parsed.blockSize >= 1 &&
    parsed.parallelization >= 1 &&
    parsed.parallelization <= PARALLELIZATION_MAX &&
    128 * parsed.cost * parsed.blockSize <= MEMORY_BYTES_MAX
  return isPowerOfTwo && isBounded && parsed.salt.length >= 8 && parsed.hash.length >= 16 ? parsed : null
}

/** Takes the same time whatever is wrong. Never on the event loop: libuv's threads compute. */
export async function isPasswordOf(password: string, expected: PasswordHash): Promise<boolean> {
  return timingSafeEqual(await derive(password, expected), expected.hash)
}

function derive(password: string, { cost, blockSize, parallelization, salt, hash }: PasswordHash): Promise<Buffer> {
  const options: ScryptOptions = { cost, blockSize, parallelization, maxmem: 2 * MEMORY_BYTES_MAX }
  return new Promise((resolve, reject) =>
    scrypt(password, salt, hash.length, options, (error, key) => (error === null ? resolve(key) : reject(error))),
  )
}
