// The users of `rest.basic.users.file`: one per line, name:role:hash. `millrace hash-password` makes such lines.
import { MillraceError } from '@millrace/core'
import { type PasswordHash, parsePasswordHash } from './password-hash.ts'
import { isRole, ROLES, type Role } from './principal.ts'

export type User = { readonly role: Role; readonly passwordHash: PasswordHash }
export type Users = ReadonlyMap<string, User>

/** Some 200 bytes each. More people than that have a directory to log in by. */
const USERS_MAX = 1_000
export const USERS_FILE_BYTES_MAX: number = 1024 * 1024

/** Throws CONFIG_INVALID naming the line, never what it holds: a password may stand there by mistake. */
export function parseUsers(text: string): Users {
  if (text.length > USERS_FILE_BYTES_MAX) throw refused('is too large for a file of users')
  const users = new Map<string, User>()
  for (const [index, line] of text
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .entries()) {
    const trimmed = line.trim()
    if (trimmed === '' || trimmed.startsWith('#')) continue
    const where = `line ${index + 1}`
    const [name, role, hash, ...rest] = trimmed.split(':')
    if (!name || role === undefined || hash === undefined || rest.length > 0) {
      throw refused(`${where} is not name:role:hash`)
    }
    if (!isRole(role)) throw refused(`${where} has no role of ${ROLES.join(', ')}`)
    const passwordHash = parsePasswordHash(hash)
    if (passwordHash === null) throw refused(`${where} has no hash as millrace hash-password makes it`)
    if (users.has(name)) throw refused(`${where} names a user who is there already`)
    if (users.size === USERS_MAX) throw refused(`has more than ${USERS_MAX} users`)
    users.set(name, { role, passwordHash })
  }
  if (users.size === 0) throw refused('has no users')
  return users
}

const refused = (what: string): MillraceError =>
  new MillraceError('CONFIG_INVALID', 'failPartition', `rest.basic.users.file: the file ${what}.`)
