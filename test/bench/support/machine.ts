// What a figure was measured on: without it, it means nothing.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../../', import.meta.url))

export type Machine = {
  readonly cpu: string
  readonly cores: number
  readonly memoryGigabytes: number
  readonly loadAverage: string
  readonly node: string
  readonly commit: string
}

/** @param sources whose uncommitted changes make the commit's name a half-truth. */
export function machine(sources: readonly string[]): Machine {
  const git = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' })
  const dirty = spawnSync('git', ['status', '--porcelain', '--', ...sources], { cwd: root, encoding: 'utf8' })
  return {
    cpu: cpus()[0]!.model,
    cores: cpus().length,
    memoryGigabytes: Math.round(totalmem() / 2 ** 30),
    loadAverage: loadavg()[0]!.toFixed(2),
    node: process.version,
    commit: `${git.stdout.trim()}${dirty.stdout === '' ? '' : ' and changes'}`,
  }
}

export const versionOf = (name: string): string =>
  JSON.parse(readFileSync(new URL(`../../../node_modules/${name}/package.json`, import.meta.url), 'utf8')).version
