// FileConfigProvider (a key of a properties file) and DirectoryConfigProvider (the content of a file of a folder), both only below
// allowed.paths. Links and `..` are followed first and judged afterwards, so neither leads out; and outside of it all answers
// are the same, so that nobody learns which files there are.
import { isAbsolute, relative, resolve, sep } from 'node:path'
import { isMillraceError } from '@millrace/core'
import { parseProperties } from '../worker/properties.ts'
import { answered, type ConfigProvider, type ProviderAnswer, type ProviderFiles, problem } from './config-provider.ts'

const FILE_BYTES_MAX = 1024 * 1024
const OUTSIDE = problem('its path is not below allowed.paths')

export const fileProvider = (allowed: readonly string[], files: ProviderFiles): ConfigProvider => ({
  get: (path, key) => {
    if (path === null || path === '') return problem('it needs a path and a key')
    const text = readAllowed(resolve('/', path), allowed, files)
    if (text.kind === 'problem') return text
    try {
      const property = parseProperties(text.value, 'file').get(key)
      return property === undefined ? problem('its file has no such key') : answered(property.value)
    } catch (error) {
      if (isMillraceError(error)) return problem('its file is not a properties file')
      throw error
    }
  },
})

export const directoryProvider = (allowed: readonly string[], files: ProviderFiles): ConfigProvider => ({
  get: (path, key) => {
    if (path === null || path === '') return problem('it needs the path of a folder and the name of a file')
    if (!/^[^/\\\0]{1,255}$/.test(key) || key === '..' || key === '.')
      return problem('its key is not the name of a file')
    const text = readAllowed(resolve('/', path, key), allowed, files)
    // Editors and `echo` end a file with a line break that is no part of a password.
    return text.kind === 'problem' ? text : answered(text.value.replace(/\r?\n$/, ''))
  },
})

function readAllowed(path: string, allowed: readonly string[], files: ProviderFiles): ProviderAnswer {
  if (path.includes('\0') || !allowed.some(folder => isBelow(path, resolve('/', folder)))) return OUTSIDE
  try {
    const real = files.realPath(path)
    if (!allowed.some(folder => isBelow(real, realOrGiven(folder, files)))) return OUTSIDE
    return answered(files.read(real, FILE_BYTES_MAX))
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    return problem(`its file cannot be read (${/^[A-Z_0-9]{1,40}$/.test(code) ? code : 'unreadable'})`)
  }
}

/** /run may itself be a link. */
function realOrGiven(folder: string, files: ProviderFiles): string {
  try {
    return files.realPath(resolve('/', folder))
  } catch {
    return resolve('/', folder)
  }
}

/** The path itself counts: an allowed path may be one file. */
function isBelow(path: string, folder: string): boolean {
  const way = relative(folder, path)
  return way === '' || (!isAbsolute(way) && way !== '..' && !way.startsWith(`..${sep}`))
}
