// The files config providers read, from this machine.
import { closeSync, constants, fstatSync, openSync, readFileSync, realpathSync } from 'node:fs'
import type { ProviderFiles } from '@millrace/config'

export const providerFiles: ProviderFiles = {
  realPath: path => realpathSync.native(path),
  read: (path, bytesMax) => {
    // Not through a link that came meanwhile, and without waiting for the other end of a pipe.
    const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const status = fstatSync(file)
      if (!status.isFile()) throw Object.assign(new Error('not a file'), { code: 'NOT_A_FILE' })
      if (status.size > bytesMax) throw Object.assign(new Error('too large'), { code: 'EFBIG' })
      return readFileSync(file, 'utf8')
    } finally {
      closeSync(file)
    }
  },
}
