// The shape of the repository, as architecture.md and style.md state it. Nothing about size or taste.
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { DIFFERENCES_MANUAL, differencesManual } from '../../bin/differences-manual.ts'
import { ERRORS_MANUAL, errorsManual } from '../../bin/errors-manual.ts'
import {
  isBuiltin,
  isRelative,
  type Package,
  packageNameOf,
  readFiles,
  readPackages,
  resolveFrom,
  root,
  type SourceFile,
} from './source-tree.ts'

/** Architecture.md, "Packages": what the source of each may import. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  core: [],
  config: ['core'],
  kafka: ['core'],
  redis: ['core'],
  bigquery: ['core'],
  convert: ['core', 'config'],
  coordinator: ['core', 'config'],
  worker: ['core', 'config', 'convert'],
  api: ['core', 'config'],
  emulator: [],
  testkit: ['core', 'config', 'convert', 'worker', 'coordinator'],
  cli: [
    'api',
    'bigquery',
    'config',
    'convert',
    'coordinator',
    'core',
    'emulator',
    'kafka',
    'redis',
    'testkit',
    'worker',
  ],
}
const SCOPE = '@millrace/'
/** Files that are started, not imported; so are those the scripts of package.json name. */
const ENTRIES = /\/src\/(index|main)\.ts$/

const packages = readPackages()
const rootJson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Package['json'] & {
  readonly scripts: Readonly<Record<string, string>>
}
const none = (problems: readonly string[]): void => assert.deepEqual(problems, [])

test('imports between packages follow the arrows, and only by the front door', () => {
  const problems: string[] = []
  for (const { name, src, test: tests } of packages) {
    const arrows = ARROWS[name]
    if (arrows === undefined) {
      problems.push(`packages/${name} is not in the table`)
      continue
    }
    // Tests may use the kit, and the adapter they hold against a twin may be their own package's only.
    const testArrows = [...arrows, name, 'testkit', 'core']
    for (const [files, allowed] of [
      [src, arrows],
      [tests, testArrows],
    ] as const) {
      for (const file of files) {
        for (const { specifier } of file.imports) {
          if (!specifier.startsWith(SCOPE)) continue
          const target = specifier.slice(SCOPE.length)
          if (target.includes('/')) problems.push(`${file.path} imports ${specifier}, past the front door`)
          else if (!allowed.includes(target)) problems.push(`${file.path} may not import ${specifier}`)
        }
      }
    }
  }
  none(problems)
})

test('only the demo uses the kit outside tests', () => {
  const users = packages
    .flatMap(({ src }) => src)
    .filter(file => file.imports.some(({ specifier }) => specifier === `${SCOPE}testkit`))
    .map(file => file.path)
  none(users.filter(path => !path.startsWith('packages/cli/src/demo/')))
})

test('relative imports name an existing file of the same package', () => {
  const problems: string[] = []
  for (const { name, src, test: tests } of packages) {
    for (const file of [...src, ...tests]) {
      for (const { specifier } of file.imports) {
        if (!isRelative(specifier)) continue
        const path = resolveFrom(file, specifier)
        if (path === null) problems.push(`${file.path} imports ${specifier}, which does not exist`)
        else if (!path.startsWith(`packages/${name}/`))
          problems.push(`${file.path} imports ${specifier} of another package`)
        else if (file.path.includes('/src/') && path.includes('/test/')) problems.push(`${file.path} imports a test`)
      }
    }
  }
  none(problems)
})

test('no file imports itself in a circle', () => {
  const files = new Map(packages.flatMap(({ src }) => src).map(file => [file.path, file]))
  const done = new Set<string>()
  const circles: string[] = []
  const visit = (file: SourceFile, trail: readonly string[]): void => {
    if (trail.includes(file.path)) {
      circles.push([...trail.slice(trail.indexOf(file.path)), file.path].join(' → '))
      return
    }
    if (done.has(file.path)) return
    for (const { specifier, isType, isUrl } of file.imports) {
      const next =
        isRelative(specifier) && !isType && !isUrl ? files.get(resolveFrom(file, specifier) ?? '') : undefined
      if (next !== undefined) visit(next, [...trail, file.path])
    }
    done.add(file.path)
  }
  for (const file of files.values()) visit(file, [])
  none(circles)
})

test('package.json names exactly what is imported', () => {
  const problems: string[] = []
  for (const { name, json, src, test: tests } of packages) {
    const declared = Object.keys(json.dependencies ?? {})
    const forTests = new Set([
      ...declared,
      ...Object.keys(json.devDependencies ?? {}),
      ...Object.keys(rootJson.devDependencies ?? {}),
    ])
    const used = externalImports(src)
    for (const [dependency, file] of used)
      if (!declared.includes(dependency))
        problems.push(`${file} imports ${dependency}, undeclared in packages/${name}/package.json`)
    for (const [dependency, file] of externalImports(tests)) {
      const isOwn =
        dependency === `${SCOPE}${name}` || dependency === `${SCOPE}testkit` || dependency === `${SCOPE}core`
      if (!isOwn && !forTests.has(dependency))
        problems.push(`${file} imports ${dependency}, undeclared in packages/${name}/package.json`)
    }
    for (const dependency of declared)
      if (!used.has(dependency))
        problems.push(`packages/${name}/package.json declares ${dependency}, which nothing in src imports`)
  }
  none(problems)
})

/** Package name → a file that imports it. */
function externalImports(files: readonly SourceFile[]): Map<string, string> {
  const found = new Map<string, string>()
  for (const file of files) {
    for (const { specifier } of file.imports) {
      if (!isRelative(specifier) && !isBuiltin(specifier)) found.set(packageNameOf(specifier), file.path)
    }
  }
  return found
}

test('no source file is dead', () => {
  const scripts = Object.values(rootJson.scripts).join(' ')
  const dead: string[] = []
  for (const { src } of packages) {
    const files = new Map(src.map(file => [file.path, file]))
    const reached = new Set<string>()
    const reach = (path: string): void => {
      const file = files.get(path)
      if (file === undefined || reached.has(path)) return
      reached.add(path)
      for (const { specifier } of file.imports) if (isRelative(specifier)) reach(resolveFrom(file, specifier) ?? '')
    }
    for (const { path } of src) if (ENTRIES.test(path) || path.endsWith('.d.ts') || scripts.includes(path)) reach(path)
    for (const { path } of src) if (!reached.has(path)) dead.push(path)
  }
  none(dead)
})

test('what the READMEs name exists', () => {
  const problems: string[] = []
  for (const readme of ['README.md', ...globSync('packages/*/README.md', { cwd: root })]) {
    if (!existsSync(join(root, readme))) continue
    const folder = join(root, dirname(readme))
    for (const [, name = ''] of readFileSync(join(root, readme), 'utf8').matchAll(/`([\w@./-]+)`/g)) {
      const isFile = /\.(ts|mjs|lua|proto)$/.test(name)
      const isFolder = /^(packages|bin|test|docs|protos|deploy|src)\/[\w./-]*$/.test(name)
      if (!isFile && !isFolder) continue
      const places = [folder, join(folder, 'src'), join(folder, 'test'), root, join(root, 'packages')]
      const inSource = join(root, 'packages', name.replace('/', '/src/'))
      const isThere =
        places.some(place => existsSync(join(place, name))) ||
        existsSync(inSource) ||
        (isFile && globSync(`src/**/${name}`, { cwd: folder }).length > 0)
      if (!isThere) problems.push(`${readme} names ${name}, which does not exist`)
    }
  }
  none(problems)
})

test('every package says in a README what it is', () => {
  none(
    packages
      .filter(({ name }) => !existsSync(join(root, 'packages', name, 'README.md')))
      .map(({ name }) => `packages/${name}/README.md is missing`),
  )
})

test('every error code is in the manual (npm run docs)', () => {
  assert.equal(existsSync(ERRORS_MANUAL) ? readFileSync(ERRORS_MANUAL, 'utf8') : '', errorsManual())
})

test('every deliberate difference from Kafka Connect is in the manual (npm run docs)', () => {
  assert.equal(existsSync(DIFFERENCES_MANUAL) ? readFileSync(DIFFERENCES_MANUAL, 'utf8') : '', differencesManual())
})

test('what is left to do has an issue', () => {
  const word = new RegExp(
    `\\b(${['TO', 'FIX'].map(start => `${start}${start === 'TO' ? 'DO' : 'ME'}`).join('|')})\\b(?!\\(#\\d+\\))`,
  )
  const files = [
    ...packages.flatMap(({ src, test: tests }) => [...src, ...tests]),
    ...readFiles('test'),
    ...readFiles('bin'),
  ]
  const problems = files.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, i) => (word.test(line) ? [`${path}:${i + 1} ${line.trim()}`] : [])),
  )
  none(problems)
})
