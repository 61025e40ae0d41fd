// FileConfigProvider (a key of a properties file) and DirectoryConfigProvider (the content of a file of a folder), both only below
// allowed.paths.
import { resolve } from 'node:path'
import { isMillraceError } from '@millrace/core'
import { parseProperties } from '../worker/properties.ts'
import { readAllowed } from './allowed-files.ts'
import { answered, type ConfigProvider, type ProviderFiles, problem } from './config-provider.ts'

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
