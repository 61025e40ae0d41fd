// What validation answers, compared key by key: each side has keys the other has not, and those both have must be alike.
import type { Disagreement } from './compare.ts'

type Info = {
  readonly definition: Readonly<Record<string, unknown>> | null
  readonly value: Readonly<Record<string, unknown>>
}
type Validation = {
  readonly name: string
  readonly error_count: number
  readonly groups: readonly string[]
  readonly configs: readonly Info[]
}

const withoutVersion = (text: string): string => text.replace(/"\d+\.\d+\.\d+"/g, '"{{version}}"')

/** @param own keys that only Millrace's connector has, which may have errors of their own. */
export function validationDisagreements(connectText: string, millraceText: string): readonly Disagreement[] {
  const connect = JSON.parse(connectText) as Validation
  const millrace = JSON.parse(millraceText) as Validation
  const found: Disagreement[] = []
  const add = (aspect: string, one: unknown, other: unknown): void => {
    const [left, right] = [one, other].map(value => JSON.stringify(value) ?? '(absent)') as [string, string]
    // Each has the version of its own plugins.
    const isVersion = aspect.endsWith('.plugin.version')
    const [shownLeft, shownRight] = isVersion ? [left, right].map(withoutVersion) : [left, right]
    if (shownLeft !== shownRight) found.push({ aspect, connect: left, millrace: right })
  }
  add('keys of the answer', Object.keys(connect), Object.keys(millrace))
  add('name', connect.name, millrace.name)
  const groups = new Set(millrace.groups)
  add(
    'groups',
    connect.groups,
    connect.groups.filter(group => groups.has(group)),
  )
  const infos = new Map(millrace.configs.map(info => [info.value.name, info]))
  for (const info of connect.configs) {
    const name = String(info.value.name)
    const other = infos.get(name)
    // Its own key, not one of every sink.
    if (name === 'file') continue
    add(`definition of ${name}`, info.definition !== null, other !== undefined && other.definition !== null)
    if (other === undefined) continue
    if (info.definition !== null && other.definition !== null) {
      add(`fields of the definition of ${name}`, Object.keys(info.definition), Object.keys(other.definition))
      for (const field of Object.keys(info.definition))
        if (field !== 'documentation')
          add(`${field} in the definition of ${name}`, info.definition[field], other.definition[field])
    }
    add(`fields of the value of ${name}`, Object.keys(info.value), Object.keys(other.value))
    for (const field of Object.keys(info.value))
      add(`${field} in the value of ${name}`, info.value[field], other.value[field])
  }
  return found
}
