// The file that --faults names, in YAML or JSON: {faults, behavior, quotas}, or only faults: one, or a list of them.
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { InvalidSetting } from '../knobs.ts'
import { faultsFromJson } from './fault-json.ts'
import type { FaultSpec } from './faults.ts'

export type SettingsFile = {
  readonly faults: readonly FaultSpec[]
  readonly behavior: unknown
  readonly quotas: unknown
}

const KEYS = ['faults', 'behavior', 'quotas']

/** Throws InvalidSetting, or what reading the file throws. `behavior` and `quotas` are not looked into. */
export function readSettingsFile(path: string): SettingsFile {
  const value = parseText(readFileSync(path, 'utf8'))
  if (!isSettings(value)) return { faults: value === null ? [] : faultsFromJson(value), behavior: {}, quotas: {} }
  for (const key of Object.keys(value))
    if (!KEYS.includes(key)) throw new InvalidSetting(`Unknown key ${key}; known: ${KEYS.join(', ')}`)
  const { faults = [], behavior = {}, quotas = {} } = value
  return { faults: faultsFromJson(faults), behavior, quotas }
}

const isSettings = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && KEYS.some(key => Object.hasOwn(value, key))

/** JSON first: indented by tabs, it is no YAML. */
function parseText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return parse(text)
  }
}
