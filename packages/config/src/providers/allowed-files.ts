// Files a connector may name, only below what the operator allows. Links and `..` are followed first and judged afterwards, so
// neither leads out; and outside of it all answers are the same, so that nobody learns which files there are.
import { isAbsolute, relative, resolve, sep } from 'node:path'
import { answered, type ProviderAnswer, type ProviderFiles, problem } from './config-provider.ts'

/** Of any file a connector names: a properties file, a secret, a service account key. */
const FILE_BYTES_MAX = 1024 * 1024
const OUTSIDE = problem('its path is not below allowed.paths')

/** As it is written. What it leads to is judged when it is read. */
export const isAllowedPath = (path: string, allowed: readonly string[]): boolean =>
  isAbsolute(path) && !path.includes('\0') && allowed.some(folder => isBelow(resolve(path), resolve('/', folder)))

/** @param allowed null: any regular file of that size, wherever it is. */
export function readAllowed(path: string, allowed: readonly string[] | null, files: ProviderFiles): ProviderAnswer {
  if (allowed !== null && !isAllowedPath(path, allowed)) return OUTSIDE
  try {
    const real = files.realPath(path)
    if (allowed !== null && !allowed.some(folder => isBelow(real, realOrGiven(folder, files)))) return OUTSIDE
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
