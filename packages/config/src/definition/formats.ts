// Named text formats of single values. Each says what is wrong in words that never repeat the value: the caller does, or must not.
import { regexProblem } from '../regex/compile.ts'
import { hasMoreItems, LIST_ITEMS_MAX } from './list-items.ts'

type TextFormat = { readonly describe: string; readonly problem: (text: string) => string | null }

// biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is the purpose
const CONTROL = /[\u0000-\u001f\u007f]/

const matching = (pattern: RegExp, describe: string): TextFormat => ({
  describe,
  problem: text => (pattern.test(text) ? null : `Must be ${describe}`),
})

// https://cloud.google.com/bigquery/docs/tables#table_naming: letters, marks, numbers, connectors, dashes and spaces; 1,024 bytes.
const TABLE_NAME = /^[\p{L}\p{M}\p{N}\p{Pc}\p{Pd}\p{Zs}]+$/u
const TABLE_NAME_BYTES_MAX = 1024
/** Of a connector's name: in how many characters those that may not be in it are looked for, from the first on. */
const NAME_CHARACTERS_MAX = 1024

export type Format =
  | 'connectorName'
  | 'topicName'
  | 'regex'
  | 'project'
  | 'dataset'
  | 'table'
  | 'topicTableMap'
  | 'column'
  | 'httpUrl'
  | 'redisUrl'
  | 'listener'
  | 'brokerAddress'
  | 'absolutePath'
  | 'castSpec'
  | 'rename'

export const FORMATS: Readonly<Record<Format, TextFormat>> = {
  connectorName: {
    describe: 'text without control characters',
    problem: text => {
      const from = text.search(CONTROL)
      if (from < 0) return null
      const control = [...text.slice(from, from + NAME_CHARACTERS_MAX)]
        .filter(character => CONTROL.test(character))
        .map(character => character.charCodeAt(0))
      return `String may not contain control sequences but had the following ASCII chars: ${control.join(', ')}`
    },
  },
  // org.apache.kafka.common.internals.Topic: legal characters and length.
  topicName: {
    describe: 'a Kafka topic name: 1 to 249 of a-z A-Z 0-9 . _ -',
    problem: text =>
      /^[a-zA-Z0-9._-]{1,249}$/.test(text) && text !== '.' && text !== '..'
        ? null
        : 'A topic name has 1 to 249 characters of a-z A-Z 0-9 . _ - and is not "." or ".."',
  },
  regex: { describe: 'a regular expression (linear subset of Java’s), at most 1,024 bytes', problem: regexProblem },
  project: matching(/^[A-Za-z0-9][A-Za-z0-9.:_-]{0,127}$/, 'a Google Cloud project id'),
  dataset: matching(/^[A-Za-z0-9_]{1,1024}$/, 'a dataset name: letters, digits and underscores'),
  table: {
    describe: 'a BigQuery table name: letters, marks, digits, connectors, dashes and spaces; 1,024 bytes',
    problem: text =>
      TABLE_NAME.test(text) && Buffer.byteLength(text) <= TABLE_NAME_BYTES_MAX
        ? null
        : 'A table name has letters, marks, digits, connectors, dashes and spaces only, up to 1,024 bytes',
  },
  topicTableMap: {
    describe: '`topic:table`, topics unique',
    problem: text => topicTableMapProblem(text),
  },
  column: matching(/^[^\p{Cc}]{1,300}$/u, 'a column name of at most 300 characters'),
  httpUrl: { describe: 'an http:// or https:// URL', problem: text => urlProblem(text, ['http:', 'https:']) },
  redisUrl: { describe: 'a redis:// or rediss:// URL', problem: text => urlProblem(text, ['redis:', 'rediss:']) },
  listener: matching(/^https?:\/\/[^/?#@\s]*:\d{1,5}$/i, 'scheme://host:port'),
  brokerAddress: matching(/^[^\s,:/]+:\d{1,5}$|^\[[0-9a-fA-F:]+\]:\d{1,5}$/, 'host:port'),
  castSpec: matching(
    /^([^:]*:)?\s*(int8|int16|int32|int64|float32|float64|boolean|string)\s*$/i,
    'field:type or a type: int8, int16, int32, int64, float32, float64, boolean or string',
  ),
  rename: matching(/^[^:]*:[^:]+$/, 'old:new'),
  absolutePath: matching(/^\/[^\p{Cc}]*$/u, 'an absolute path'),
}

function urlProblem(text: string, protocols: readonly string[]): string | null {
  const expected = `Must be a URL beginning with ${protocols.map(protocol => `${protocol}//`).join(' or ')}`
  if (!URL.canParse(text)) return expected
  return protocols.includes(new URL(text).protocol) ? null : expected
}

function topicTableMapProblem(text: string): string | null {
  if (hasMoreItems(text, LIST_ITEMS_MAX)) return `At most ${LIST_ITEMS_MAX} topics may be mapped`
  const topics = new Set<string>()
  for (const entry of text.split(',').filter(entry => entry.trim() !== '')) {
    const [topic, table, ...rest] = entry.split(':').map(part => part.trim())
    if (!topic || !table || rest.length > 0) return 'Each entry must be topic:table, entries separated by commas'
    if (topics.has(topic)) return `Topic ${topic} is mapped twice`
    topics.add(topic)
    const problem = FORMATS.table.problem(table)
    if (problem) return `Table of topic ${topic}: ${problem}`
  }
  return null
}
