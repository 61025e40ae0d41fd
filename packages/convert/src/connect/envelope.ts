// The envelope of JsonConverter with schemas.enable=true: exactly `schema` and `payload`.
// https://github.com/apache/kafka: connect/json/…/JsonConverter.java (its message is quoted, tools search for it).
import { type JsonNode, parseJson } from '../json/json-tree.ts'
import { type Refusal, unreadable } from '../refusal.ts'

export type Envelope = { readonly schema: JsonNode; readonly payload: JsonNode }

/** Finds the two parts; throws a Refusal. */
export function parseEnvelope(bytes: Buffer, start: number, end: number): Envelope {
  const node = parseJson(bytes, start, end)
  const schema = node.kind === 'object' ? node.members.get('schema') : undefined
  const payload = node.kind === 'object' ? node.members.get('payload') : undefined
  if (node.kind !== 'object' || node.members.size !== 2 || schema === undefined || payload === undefined) {
    throw notAnEnvelope()
  }
  return { schema, payload }
}

const notAnEnvelope = (): Refusal =>
  unreadable(
    'JsonConverter with schemas.enable requires "schema" and "payload" fields and may not contain additional fields. ' +
      'If you are trying to deserialize plain JSON data, set schemas.enable=false in your converter configuration.',
  )
