// Files that connectors and operators name, from this machine: regular ones, of a bounded size, without waiting for anybody.
import { closeSync, constants, fstatSync, openSync, readlinkSync, readSync, realpathSync } from 'node:fs'
import type { ProviderFiles } from '@millrace/config'

export const providerFiles: ProviderFiles = {
  realPath: path => realpathSync.native(path),
  read: (path, bytesMax) => {
    // Not through a link that came meanwhile, and without waiting for the other end of a pipe.
    const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      if (!fstatSync(file).isFile()) throw refused('NOT_A_FILE')
      if ((openedPath(file) ?? path) !== path) throw refused('ELOOP')
      return readBounded(file, bytesMax)
    } finally {
      closeSync(file)
    }
  },
}

const CHUNK_BYTES = 64 * 1024

/** Files of /proc say that they are empty, and others grow: what counts is what is read. */
function readBounded(file: number, bytesMax: number): string {
  const chunks: Buffer[] = []
  let length = 0
  for (;;) {
    const chunk = Buffer.alloc(CHUNK_BYTES)
    const count = readSync(file, chunk)
    if (count === 0) return Buffer.concat(chunks).toString('utf8')
    length += count
    if (length > bytesMax) throw refused('EFBIG')
    chunks.push(chunk.subarray(0, count))
  }
}

/** Where the kernel says it is: a folder on the way may have become a link. null: it is not asked on this system. */
function openedPath(file: number): string | null {
  if (process.platform !== 'linux') return null
  return readlinkSync(`/proc/self/fd/${file}`).replace(/ \(deleted\)$/, '')
}

const refused = (code: string): Error => Object.assign(new Error(code), { code })
