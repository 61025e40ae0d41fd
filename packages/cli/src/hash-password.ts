// `millrace hash-password NAME`: reads a password from stdin, prints the line for `rest.basic.users.file`.
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { hashPassword, PASSWORD_BYTES_MAX } from '@millrace/api'

const ROLES = ['viewer', 'operator', 'admin']
const EXIT = { ok: 0, usage: 2 } as const

/** @returns the exit code */
export async function runHashPassword(name: string, role: string): Promise<number> {
  if (!/^[^:\s#][^:]*$/.test(name))
    return refuse('The name may not be empty, hold a colon, or begin with # or a space.')
  if (!ROLES.includes(role)) return refuse(`--role must be one of ${ROLES.join(', ')}.`)
  const password = await readPassword()
  if (password === '') return refuse('The password is empty.')
  if (Buffer.byteLength(password) > PASSWORD_BYTES_MAX)
    return refuse(`The password has more than ${PASSWORD_BYTES_MAX} bytes.`)
  process.stdout.write(`${name}:${role}:${await hashPassword(password)}\n`)
  return EXIT.ok
}

/** One line, without its end. At a terminal it is not shown. */
async function readPassword(): Promise<string> {
  const isTerminal = process.stdin.isTTY
  if (isTerminal) process.stderr.write('Password: ')
  const silence = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: silence, terminal: isTerminal })
  try {
    for await (const line of lines) return line
    return ''
  } finally {
    lines.close()
    if (isTerminal) process.stderr.write('\n')
  }
}

function refuse(sentence: string): number {
  process.stderr.write(`${sentence}\n`)
  return EXIT.usage
}
