// The general path: JSON tree to proto bytes by the plan, slow and plainly right. It is what the transcoder must agree with,
// what it falls back to, and the only place that words a refusal.
import type { ProtoWriter } from '../proto-writer.ts'
import { Refusal, unfit } from '../refusal.ts'
import type { FieldPlan, MapPlan, MessagePlan } from '../row-plan.ts'
import { nameOf } from '../values/column-values.ts'
import type { JsonMembers, JsonNode } from './json-tree.ts'

/** Writes the row (without tag and length), or throws a Refusal. */
export function encodeMessage(writer: ProtoWriter, plan: MessagePlan, bytes: Buffer, members: JsonMembers): void {
  const values = new Map<FieldPlan, JsonNode>()
  for (const [key, node] of members) {
    const target = plan.target(key)
    if (target === 'ignored') continue
    if (target !== 'unknown') values.set(target, node)
    else if (node.kind !== 'null') throw unknownField(plan, key)
  }
  for (const [field, node] of values) encodeField(writer, field, bytes, node)
  for (const field of plan.fields) if (!values.has(field)) encodeAbsent(writer, field)
}

/** One field with whatever the record holds for it. */
export function encodeField(writer: ProtoWriter, field: FieldPlan, bytes: Buffer, node: JsonNode): void {
  if (node.kind === 'null') encodeAbsent(writer, field)
  else if (field.map !== null) encodeMap(writer, field, field.map, bytes, node)
  else if (field.repeated) encodeRepeated(writer, field, bytes, node)
  else encodeValue(writer, field, bytes, node)
}

function encodeRepeated(writer: ProtoWriter, field: FieldPlan, bytes: Buffer, node: JsonNode): void {
  if (node.kind !== 'array') throw unfit(field.path, field.type, `${nameOf(node)} where an array is needed.`)
  for (const item of node.items) {
    if (item.kind === 'null') throw unfit(field.path, field.type, 'null in an array, which BigQuery cannot store.')
    encodeValue(writer, field, bytes, item)
  }
}

function encodeValue(writer: ProtoWriter, field: FieldPlan, bytes: Buffer, node: JsonNode): void {
  const { message } = field
  if (message === null) {
    field.write(writer, field, bytes, node)
    return
  }
  if (node.kind !== 'object') throw unfit(field.path, field.type, `${nameOf(node)} where an object is needed.`)
  writer.message(field.number, () => encodeMessage(writer, message, bytes, node.members))
}

function encodeAbsent(writer: ProtoWriter, field: FieldPlan): void {
  if (field.defaultBytes !== null) {
    writer.raw(field.defaultBytes)
    return
  }
  if (field.mandatoryInSource) {
    const type = field.source?.type.toUpperCase()
    throw new Refusal(
      'VALUE_CONVERTER',
      field.path,
      `Field ${field.path}: invalid null value for required ${type} field.`,
    )
  }
  if (field.mandatory) throw unfit(field.path, field.type, 'missing or null, and the column is REQUIRED.')
}

function encodeMap(writer: ProtoWriter, field: FieldPlan, map: MapPlan, bytes: Buffer, node: JsonNode): void {
  for (const [key, value] of entriesOf(field, map, node)) {
    writer.message(field.number, () => {
      if (typeof key === 'string') writeTextKey(writer, map.key, key)
      else encodeField(writer, map.key, bytes, key)
      encodeField(writer, map.value, bytes, value)
      for (const other of map.entry.fields) if (other !== map.key && other !== map.value) encodeAbsent(writer, other)
    })
  }
}

/** Keys of a JSON object are text already undone of its escapes: written as a JSON string of its own. */
function writeTextKey(writer: ProtoWriter, field: FieldPlan, key: string): void {
  const text = Buffer.from(JSON.stringify(key), 'utf8')
  encodeField(writer, field, text, { kind: 'string', start: 0, end: text.length })
}

function entriesOf(field: FieldPlan, map: MapPlan, node: JsonNode): Iterable<readonly [string | JsonNode, JsonNode]> {
  if (map.stringKeys && node.kind === 'object') return node.members
  if (!map.stringKeys && node.kind === 'array') return node.items.map(item => pairOf(field, item))
  throw unfit(field.path, field.type, `${nameOf(node)} where a map is needed.`)
}

function pairOf(field: FieldPlan, item: JsonNode): readonly [JsonNode, JsonNode] {
  if (item.kind === 'array' && item.items.length === 2) return [item.items[0]!, item.items[1]!]
  throw unfit(field.path, field.type, `${nameOf(item)} where a [key, value] pair is needed.`)
}

function unknownField(plan: MessagePlan, key: string): Refusal {
  const path = plan.path === '' ? key : `${plan.path}.${key}`
  return new Refusal('TASK_PUT', path.slice(0, 300), `The table has no column for field ${path.slice(0, 300)}.`)
}
