// Which table the records of a topic go to.
import { MillraceError, type TableName, tableName } from '@millrace/core'
import { FORMATS } from '../definition/formats.ts'

export type TableRouting = {
  readonly project: string
  readonly defaultDataset: string
  readonly sanitizeTopics: boolean
  readonly topicTables: ReadonlyMap<string, string>
}

/** `t1:table1,t2:table2`, already checked by its format. */
export function parseTopicTables(text: string): ReadonlyMap<string, string> {
  const entries = text.split(',').filter(entry => entry.trim() !== '')
  return new Map(entries.map(entry => entry.split(':').map(part => part.trim()) as [string, string]))
}

/** The other connectors' rule for names: `[^A-Za-z0-9_]` becomes `_`, and a name never begins with anything but a letter or `_`. */
export function sanitizeName(name: string): string {
  const replaced = name.replace(/[^A-Za-z0-9_]/g, '_')
  return /^[A-Za-z_]/.test(replaced) ? replaced : `_${replaced}`
}

/** Why the records of a topic cannot have a table, or null. */
export function topicTableProblem(routing: TableRouting, topic: string): string | null {
  const { dataset, table } = place(routing, topic)
  const problem = FORMATS.dataset.problem(dataset) ?? FORMATS.table.problem(table)
  return (
    problem &&
    `Topic ${topic} would go to table "${table}": ${problem}. Set sanitizeTopics=true or name a table in topic2TableMap`
  )
}

/** The destination table; CONFIG_INVALID, disposition failPartition, when the topic makes no legal table name. */
export function tableOfTopic(routing: TableRouting, topic: string): TableName {
  const problem = topicTableProblem(routing, topic)
  if (problem) throw new MillraceError('CONFIG_INVALID', 'failPartition', `${problem}.`)
  const { dataset, table } = place(routing, topic)
  return tableName(routing.project, dataset, table)
}

function place(routing: TableRouting, topic: string): { readonly dataset: string; readonly table: string } {
  const dataset = routing.defaultDataset
  // With a map, the other connectors take every other topic as it is, unsanitized.
  if (routing.topicTables.size > 0) return { dataset, table: routing.topicTables.get(topic) ?? topic }
  // `dataset:table` is what a router transformation may make of a topic; Kafka itself allows no colon.
  const colon = topic.indexOf(':')
  const name = topic.slice(colon + 1)
  return {
    dataset: colon < 0 ? dataset : topic.slice(0, colon),
    table: routing.sanitizeTopics ? sanitizeName(name) : name,
  }
}
