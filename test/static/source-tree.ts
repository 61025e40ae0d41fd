// The repository's TypeScript as the tidy test sees it: packages, files, and who imports what.
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

export type Import = {
  readonly specifier: string
  /** `import type` or `export type`: gone at run time. */
  readonly isType: boolean
  /** `new URL('./x.ts', import.meta.url)`: a file started or read, not imported. */
  readonly isUrl: boolean
}
export type SourceFile = {
  /** From the root, with slashes. */
  readonly path: string
  readonly text: string
  readonly imports: readonly Import[]
}
export type Package = {
  /** Folder below packages/, which is its name too. */
  readonly name: string
  readonly json: {
    readonly dependencies?: Readonly<Record<string, string>>
    readonly devDependencies?: Readonly<Record<string, string>>
  }
  readonly src: readonly SourceFile[]
  readonly test: readonly SourceFile[]
}

export function readPackages(): Package[] {
  return globSync('packages/*/package.json', { cwd: root })
    .sort()
    .map(file => {
      const folder = dirname(file)
      const json = JSON.parse(readFileSync(join(root, file), 'utf8')) as Package['json']
      return {
        name: relative('packages', folder),
        json,
        src: readFiles(`${folder}/src`),
        test: readFiles(`${folder}/test`),
      }
    })
}

export function readFiles(folder: string): SourceFile[] {
  return globSync(`${folder}/**/*.ts`, { cwd: root, exclude: ['**/node_modules/**'] })
    .sort()
    .map(path => {
      const text = readFileSync(join(root, path), 'utf8')
      return { path, text, imports: importsOf(text) }
    })
}

const FROM = /^(?:import|export)\s(?:(type)\s)?[^'"`;]*?from\s+'([^']+)'/gm
const BARE = /^import\s+'([^']+)'/gm
const DYNAMIC = /\bimport\('([^']+)'\)/g
/** CommonJS internals of a dependency, by `createRequire`. */
const REQUIRE = /\brequire\('([^']+)'\)/g
const URLS = /new URL\('(\.[^']*\.ts)', import\.meta\.url\)/g

function importsOf(text: string): Import[] {
  const found: Import[] = []
  for (const match of text.matchAll(FROM))
    found.push({ specifier: match[2] as string, isType: match[1] === 'type', isUrl: false })
  for (const match of text.matchAll(BARE)) found.push({ specifier: match[1] as string, isType: false, isUrl: false })
  for (const match of text.matchAll(DYNAMIC)) found.push({ specifier: match[1] as string, isType: false, isUrl: false })
  for (const match of text.matchAll(REQUIRE)) found.push({ specifier: match[1] as string, isType: false, isUrl: false })
  for (const match of text.matchAll(URLS)) found.push({ specifier: match[1] as string, isType: false, isUrl: true })
  return found
}

export const isRelative = (specifier: string): boolean => specifier.startsWith('.')
export const isBuiltin = (specifier: string): boolean => specifier.startsWith('node:')
/** `@scope/name` or `name`, without a path inside the package. */
export const packageNameOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')

/** What a relative import of a file names, from the root; null when there is no such file. */
export function resolveFrom(file: SourceFile, specifier: string): string | null {
  const path = relative(root, resolve(root, dirname(file.path), specifier))
  return existsSync(join(root, path)) ? path : null
}
