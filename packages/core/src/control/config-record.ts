// One write to the config topic. Its key is unique to the write; its value holds all there is to know about the name.
import { MillraceError } from '../errors/error.ts'
import type { Incarnation } from '../ids.ts'
import {
  type ConnectorEntry,
  type DeletedConnector,
  type RawConfig,
  type RestartEpochs,
  TARGET_STATES,
} from './control-state.ts'
import type { RequestMark } from './request-marks.ts'

export type ConfigRecord = {
  readonly writeId: string
  /** The writes this one follows, newest first; `lineage[0]` is the one it replaces. At most LINEAGE_MAX. */
  readonly lineage: readonly string[]
  /** Earlier configs of this incarnation: the records that brought them, newest first. They are kept; all else below is deleted. */
  readonly history: readonly HistoryItem[]
  /** Who asked for it; absent where nobody was logged in. */
  readonly by?: string
  /** Requests with an Idempotency-Key that were carried out, newest first; absent where there are none. At most MARKS_MAX. */
  readonly marks?: readonly RequestMark[]
  readonly body:
    | { readonly kind: 'connector'; readonly entry: ConnectorEntry }
    | { readonly kind: 'deleted'; readonly deleted: DeletedConnector }
}

export type HistoryItem = {
  readonly version: number
  readonly writeId: string
  readonly configGeneration: number
  /** Length of its config as JSON. */
  readonly chars: number
}

/** Configs kept per connector, and how much the earlier ones may take together: four times the largest there may be. */
export const HISTORY_MAX = 50
export const HISTORY_CHARS_MAX: number = 2 * 1024 * 1024

/** 32 ids of about 24 bytes: how far others may get ahead before a writer can no longer tell whether its own write counted. */
export const LINEAGE_MAX = 32
/** Of the value's layout. A reader that does not know it must stop, not guess. */
const FORMAT = 1

export const nameOf = (record: ConfigRecord): string =>
  record.body.kind === 'connector' ? record.body.entry.name : record.body.deleted.name

export const versionOf = (record: ConfigRecord): number =>
  record.body.kind === 'connector' ? record.body.entry.version : record.body.deleted.version

/** `name/version/writeId`: names may hold slashes, the other two never do. */
export const keyOf = (record: ConfigRecord): string => keyIn(nameOf(record), versionOf(record), record.writeId)
export const keyIn = (name: string, version: number, writeId: string): string => `${name}/${version}/${writeId}`

/** The name a key is about; null when it is no key of ours. */
export function nameOfKey(key: string): string | null {
  return /^(.+)\/\d+\/[^/]+$/s.exec(key)?.[1] ?? null
}

export function encodeConfigRecord(record: ConfigRecord): string {
  return JSON.stringify({ format: FORMAT, ...record })
}

/** Throws JOURNAL_TOPIC_UNSAFE: a record that is not ours means the topic is not, and nothing may be written to it. */
export function decodeConfigRecord(key: string, value: string): ConfigRecord {
  const json = parse(key, value)
  if (json.format !== FORMAT) throw foreign(key, `its format is ${String(json.format)}, not ${FORMAT}`)
  const record: ConfigRecord = {
    writeId: text(key, json, 'writeId'),
    lineage: texts(key, json, 'lineage'),
    history: decodeHistory(key, json.history),
    ...(json.by === undefined ? {} : { by: text(key, json, 'by') }),
    ...(json.marks === undefined ? {} : { marks: decodeMarks(key, json.marks) }),
    body: decodeBody(key, object(key, json, 'body')),
  }
  if (keyOf(record) !== key) throw foreign(key, 'key and value disagree')
  return record
}

type Json = Readonly<Record<string, unknown>>

function decodeBody(key: string, body: Json): ConfigRecord['body'] {
  switch (body.kind) {
    case 'connector':
      return { kind: 'connector', entry: decodeEntry(key, object(key, body, 'entry')) }
    case 'deleted':
      return { kind: 'deleted', deleted: decodeDeleted(key, object(key, body, 'deleted')) }
    default:
      throw foreign(key, `its kind is ${String(body.kind)}`)
  }
}

/** Absent in records written before there was a history. */
function decodeHistory(key: string, items: unknown): readonly HistoryItem[] {
  if (items === undefined) return []
  if (!Array.isArray(items)) throw foreign(key, 'history is not a list')
  return items.map((value: unknown) => {
    const item = object(key, { item: value }, 'item')
    return {
      version: count(key, item, 'version'),
      writeId: text(key, item, 'writeId'),
      configGeneration: count(key, item, 'configGeneration'),
      chars: count(key, item, 'chars'),
    }
  })
}

const CHANGES = ['create', 'configure', 'setTargetState', 'restart', 'resetTopics', 'delete'] as const
const OUTCOMES = ['written', 'unchanged', 'deleted'] as const

function decodeMarks(key: string, marks: unknown): readonly RequestMark[] {
  if (!Array.isArray(marks)) throw foreign(key, 'marks is not a list')
  return marks.map((value: unknown) => {
    const mark = object(key, { mark: value }, 'mark')
    const change = CHANGES.find(known => known === mark.change)
    const outcome = OUTCOMES.find(known => known === mark.outcome)
    if (change === undefined || outcome === undefined) throw foreign(key, 'a mark is unknown')
    return {
      key: text(key, mark, 'key'),
      request: text(key, mark, 'request'),
      change,
      outcome,
      version: count(key, mark, 'version'),
      atMs: count(key, mark, 'atMs'),
    }
  })
}

function decodeEntry(key: string, entry: Json): ConnectorEntry {
  const targetState = TARGET_STATES.find(state => state === entry.targetState)
  if (targetState === undefined) throw foreign(key, 'targetState is unknown')
  if (typeof entry.hasTasks !== 'boolean') throw foreign(key, 'hasTasks is not a boolean')
  return {
    name: text(key, entry, 'name'),
    incarnation: text(key, entry, 'incarnation') as Incarnation,
    version: count(key, entry, 'version'),
    configGeneration: count(key, entry, 'configGeneration'),
    config: decodeConfig(key, object(key, entry, 'config')),
    targetState,
    hasTasks: entry.hasTasks,
    restarts: decodeRestarts(key, object(key, entry, 'restarts')),
    journalId: text(key, entry, 'journalId'),
    predecessors: texts(key, entry, 'predecessors') as readonly Incarnation[],
    topicsResetAtMs: count(key, entry, 'topicsResetAtMs'),
    createdAtMs: count(key, entry, 'createdAtMs'),
    updatedAtMs: count(key, entry, 'updatedAtMs'),
  }
}

function decodeDeleted(key: string, deleted: Json): DeletedConnector {
  return {
    name: text(key, deleted, 'name'),
    version: count(key, deleted, 'version'),
    incarnations: texts(key, deleted, 'incarnations') as readonly Incarnation[],
    deletedAtMs: count(key, deleted, 'deletedAtMs'),
  }
}

/** JSON.parse makes own properties even of `__proto__`; fromEntries keeps them own instead of assigning the prototype. */
function decodeConfig(key: string, config: Json): RawConfig {
  return Object.fromEntries(Object.keys(config).map(name => [name, text(key, config, name)]))
}

function decodeRestarts(key: string, restarts: Json): RestartEpochs {
  const tasks = object(key, restarts, 'tasks')
  return {
    connector: count(key, restarts, 'connector'),
    allTasks: count(key, restarts, 'allTasks'),
    tasks: Object.fromEntries(Object.keys(tasks).map(task => [task, count(key, tasks, task)])),
  }
}

function parse(key: string, value: string): Json {
  let json: unknown
  try {
    json = JSON.parse(value)
  } catch {
    throw foreign(key, 'its value is not JSON')
  }
  return object(key, { value: json }, 'value')
}

function object(key: string, source: Json, field: string): Json {
  const value = source[field]
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw foreign(key, `${field} is not an object`)
  return value as Json
}

function text(key: string, source: Json, field: string): string {
  const value = source[field]
  if (typeof value !== 'string') throw foreign(key, `${field} is not a string`)
  return value
}

function texts(key: string, source: Json, field: string): readonly string[] {
  const value = source[field]
  if (!Array.isArray(value) || !value.every(item => typeof item === 'string'))
    throw foreign(key, `${field} is not a list of strings`)
  return value
}

function count(key: string, source: Json, field: string): number {
  const value = source[field]
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw foreign(key, `${field} is not a whole number`)
  return value
}

function foreign(key: string, why: string): MillraceError {
  return new MillraceError(
    'JOURNAL_TOPIC_UNSAFE',
    'failPartition',
    `The config topic (config.storage.topic) holds a record that is not of this version of Millrace: key ${JSON.stringify(key)}, ${why}.`,
  )
}
