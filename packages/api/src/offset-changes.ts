// The body of PATCH /connectors/{name}/offsets for a sink (KIP-875), with Connect's refusals in Connect's words.
import { formatTopicPartition, kafkaOffset } from '@millrace/core'
import { badRequest } from './api-error.ts'
import type { PositionChange } from './deps.ts'
import { isJsonObject, JsonNumber, type JsonValue } from './json-body.ts'

/** The list, not yet looked into: Connect checks the connector's state before the details. */
export function parseOffsetsList(body: JsonValue | undefined): readonly JsonValue[] {
  if (body !== undefined && body !== null && !isJsonObject(body))
    throw badRequest('The request body must be a JSON object with offsets.')
  for (const field of Object.keys(body ?? {}))
    if (field !== 'offsets') throw badRequest(`Unrecognized field "${field}" in the request.`)
  return offsetsList(body?.offsets, 'offsets')
}

/** `initial_offsets` of a create (KIP-995): elements as above; null where the request has none. */
export function parseInitialOffsets(value: JsonValue | undefined): readonly PositionChange[] | null {
  return value === undefined || value === null ? null : parsePositionChanges(offsetsList(value, 'initial_offsets'))
}

function offsetsList(list: JsonValue | undefined, field: string): readonly JsonValue[] {
  if (list === undefined || list === null || (Array.isArray(list) && list.length === 0)) {
    throw badRequest('Partitions / offsets need to be provided for an alter offsets request')
  }
  if (!Array.isArray(list)) throw badRequest(`${field} must be a list.`)
  return list
}

export function parsePositionChanges(list: readonly JsonValue[]): readonly PositionChange[] {
  const changes = new Map<string, PositionChange>()
  for (const element of list) {
    const change = parseChange(element)
    changes.set(formatTopicPartition(change.tp), change)
  }
  return [...changes.values()]
}

function parseChange(element: JsonValue): PositionChange {
  if (!isJsonObject(element)) throw badRequest('Each element of offsets must be an object with partition and offset.')
  const partition = element.partition
  if (!isJsonObject(partition)) throw badRequest('The partition for a sink connector offset cannot be null or missing')
  if (!Object.hasOwn(partition, 'kafka_topic') || !Object.hasOwn(partition, 'kafka_partition')) {
    throw badRequest(
      "The partition for a sink connector offset must contain the keys 'kafka_topic' and 'kafka_partition'",
    )
  }
  const tp = { topic: parseTopic(partition.kafka_topic), partition: parsePartition(partition.kafka_partition) }
  return { tp, nextKafkaOffset: parseOffset(element.offset) }
}

function parseTopic(value: JsonValue | undefined): string {
  if (typeof value === 'string' && value !== '') return value
  throw badRequest('Kafka topic names must be valid strings and may not be null')
}

function parsePartition(value: JsonValue | undefined): number {
  if (value === undefined || value === null)
    throw badRequest('Kafka partitions must be valid numbers and may not be null')
  const text = integerText(value)
  if (text === undefined || text.length > 10 || Number(text) > INT32_MAX) {
    throw badRequest(
      `Failed to parse the following Kafka partition value in the provided offsets: '${shown(value)}'. Partition values for sink connectors need to be integers.`,
    )
  }
  return Number(text)
}

function parseOffset(value: JsonValue | undefined): PositionChange['nextKafkaOffset'] {
  if (value === null) return null
  if (!isJsonObject(value) || !Object.hasOwn(value, 'kafka_offset')) {
    throw badRequest("The offset for a sink connector should either be null or contain the key 'kafka_offset'")
  }
  const offset = value.kafka_offset
  const text = offset === undefined || offset === null ? undefined : integerText(offset)
  if (text === undefined || BigInt(text) > INT64_MAX) {
    throw badRequest(
      `Failed to parse the following Kafka offset value in the provided offsets: '${shown(offset)}'. Offset values for sink connectors need to be integers.`,
    )
  }
  return kafkaOffset(text)
}

const INT32_MAX = 2 ** 31 - 1
const INT64_MAX = 2n ** 63n - 1n

/** Digits of a number or of a numeric string; undefined for anything else, negative ones included. */
function integerText(value: JsonValue): string | undefined {
  const text = value instanceof JsonNumber ? value.text : value
  return typeof text === 'string' && /^\d{1,19}$/.test(text) ? text : undefined
}

function shown(value: JsonValue | undefined): string {
  if (value instanceof JsonNumber) return value.text
  return typeof value === 'string' ? value.slice(0, 100) : JSON.stringify(value ?? null).slice(0, 100)
}
