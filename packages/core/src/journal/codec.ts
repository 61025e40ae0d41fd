// Journal records as text: `incarnation/topic/partition/<record key>` and compact JSON. Readable with any console consumer.
// Each record says the lowest format whose readers understand it (header `millrace.format`); what is newer than a reader ends its
// partition of the journal there, instead of being misread. So versions mix until the first record that needs the newer one.
import { MillraceError } from '../errors/error.ts'
import { type Incarnation, type KafkaOffset, kafkaOffset, streamOffset } from '../ids.ts'
import type { IntervalSet } from '../interval-set.ts'
import { formatKeySpace, type KeySpace, recordKey } from './key-space.ts'
import type { Altered, Fingerprint, Genesis, IntentBatch, JournalRecord, Progress } from './records.ts'

/**
 * What this version reads. 2: an altering Settled or a Deleted may be void, and a Genesis may state initial offsets; a reader of 1
 * takes the first two at their word and knows nothing of the third. 3: offsets may be lost; a reader of 2 forgets which.
 */
export const JOURNAL_FORMATS: readonly JournalFormat[] = ['1', '2', '3']
export type JournalFormat = '1' | '2' | '3'
/** Of what every reader understands, tombstones too. */
export const JOURNAL_FORMAT_OLDEST: JournalFormat = '1'

export type EncodedRecord = { readonly key: string; readonly value: string; readonly format: JournalFormat }

export function encodeRecord(space: KeySpace, record: JournalRecord): EncodedRecord {
  const key = `${formatKeySpace(space)}/${recordKey(record)}`
  return { key, value: JSON.stringify(record, toJson), format: formatOf(record) }
}
const formatOf = (record: JournalRecord): JournalFormat =>
  statesLoss(record) ? '3' : isConditional(record) ? '2' : '1'
const statesLoss = (record: JournalRecord): boolean =>
  ('progress' in record && record.progress?.lost !== undefined) ||
  (record.kind === 'intent' && record.window.some(batch => batch.lost !== undefined))
const isConditional = (record: JournalRecord): boolean =>
  record.kind === 'deleted' || (record.kind === 'settled' && (record.altered !== undefined || record.progress === null))
export const encodeKey = (space: KeySpace, key: string): string => `${formatKeySpace(space)}/${key}`

export const genesisKey = (incarnation: Incarnation): string => `${incarnation}/genesis`
export const encodeGenesis = (incarnation: Incarnation, genesis: Genesis): EncodedRecord => ({
  key: genesisKey(incarnation),
  value: JSON.stringify(genesis, toJson),
  format: genesis.initialOffsets === undefined ? '1' : '2',
})

/** Offsets travel as decimal strings: JSON numbers end at 2^53. */
const toJson = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? value.toString() : value)

export type DecodedKey =
  | { readonly kind: 'genesis'; readonly incarnation: Incarnation }
  | { readonly kind: 'record'; readonly space: KeySpace; readonly key: string }

export function decodeKey(text: string): DecodedKey {
  const parts = text.split('/')
  const [incarnation, topic, partition] = parts
  if (incarnation && topic === 'genesis' && parts.length === 2)
    return { kind: 'genesis', incarnation: incarnation as Incarnation }
  if (!incarnation || !topic || partition === undefined || !/^\d+$/.test(partition) || parts.length < 4)
    throw corrupt(`key ${JSON.stringify(text)}`)
  const space: KeySpace = { incarnation: incarnation as Incarnation, topic, partition: Number(partition) }
  return { kind: 'record', space, key: parts.slice(3).join('/') }
}

export function decodeGenesis(value: string): Genesis {
  const json = parse(value)
  const genesis: Genesis = {
    journalId: text(json, 'journalId'),
    journalPartitions: integer(json, 'journalPartitions'),
    partitionsKnown: Object.fromEntries(
      Object.entries(object(json['partitionsKnown'])).map(([topic, count]) => [topic, Number(count)]),
    ),
  }
  if (json['initialOffsets'] === undefined) return genesis
  const initial = object(json['initialOffsets'])
  const initialOffsets = Object.fromEntries(Object.keys(initial).map(tp => [tp, offsetOrNull(initial, tp)]))
  return { ...genesis, initialOffsets }
}

/** Rejects what it does not understand: an unknown record kind is a newer Millrace, and guessing could lose rows. */
export function decodeRecord(value: string): JournalRecord {
  const json = parse(value)
  const kind = text(json, 'kind')
  const claimId = isUnconditionalEnd(json) ? '' : text(json, 'claimId')
  switch (kind) {
    case 'claim':
      return {
        kind,
        claimId,
        epoch: integer(json, 'epoch'),
        workerId: text(json, 'workerId') as never,
        generation: integer(json, 'generation'),
      }
    case 'open':
      return {
        kind,
        claimId,
        epoch: integer(json, 'epoch'),
        table: text(json, 'table') as never,
        tableCreationTime: text(json, 'tableCreationTime'),
        stream: text(json, 'stream') as never,
        row: streamOffset(text(json, 'row')),
      }
    case 'intent':
      return {
        kind,
        claimId,
        epoch: integer(json, 'epoch'),
        stream: json['stream'] === null ? null : (text(json, 'stream') as never),
        progress: progress(json['progress']),
        window: list(json['window']).map(intentBatch),
      }
    case 'settled':
      return {
        kind,
        claimId,
        epoch: integer(json, 'epoch'),
        progress: json['progress'] === null ? null : progress(json['progress']),
        ...(json['altered'] !== undefined && { altered: altered(object(json['altered'])) }),
      }
    case 'release':
      return {
        kind,
        claimId,
        epoch: integer(json, 'epoch'),
        stream: text(json, 'stream') as never,
        row: streamOffset(text(json, 'row')),
        progress: progress(json['progress']),
        releasedAtMs: integer(json, 'releasedAtMs'),
      }
    case 'barrier':
      return { kind, claimId }
    case 'verdict':
      return {
        kind,
        claimId,
        stream: text(json, 'stream') as never,
        rows: streamOffset(text(json, 'rows')),
        by: text(json, 'by'),
      }
    case 'deleted': {
      const epoch = isUnconditionalEnd(json) ? Number.MAX_SAFE_INTEGER : integer(json, 'epoch')
      return { kind, claimId, epoch, by: text(json, 'by') }
    }
    default:
      throw corrupt(`record kind ${JSON.stringify(kind)}`)
  }
}

type Json = Readonly<Record<string, unknown>>

/** As format 1 wrote it: no claim is higher. */
const isUnconditionalEnd = (json: Json): boolean => json['kind'] === 'deleted' && json['epoch'] === undefined

const altered = (json: Json): Altered => ({
  by: text(json, 'by'),
  atMs: integer(json, 'atMs'),
  from: offsetOrNull(json, 'from'),
})
const offsetOrNull = (json: Json, name: string): KafkaOffset | null =>
  json[name] === null ? null : kafkaOffset(text(json, name))

function parse(value: string): Json {
  try {
    return object(JSON.parse(value))
  } catch (cause) {
    throw corrupt('value', cause)
  }
}
function object(value: unknown): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw corrupt('object')
  return value as Json
}
function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw corrupt('list')
  return value
}
function text(json: Json, field: string): string {
  const value = json[field]
  if (typeof value !== 'string') throw corrupt(field)
  return value
}
function integer(json: Json, field: string): number {
  const value = json[field]
  if (!Number.isSafeInteger(value)) throw corrupt(field)
  return value as number
}
function intervals(value: unknown): IntervalSet {
  return list(value).map(range => {
    const json = object(range)
    return { from: kafkaOffset(text(json, 'from')), to: kafkaOffset(text(json, 'to')) }
  })
}
function fingerprint(value: unknown): Fingerprint | null {
  if (value === null || value === undefined) return null
  const json = object(value)
  return {
    kafkaOffset: kafkaOffset(text(json, 'kafkaOffset')),
    timestampMs: integer(json, 'timestampMs'),
    crc: integer(json, 'crc'),
  }
}
function progress(value: unknown): Progress {
  const json = object(value)
  return {
    frontier: kafkaOffset(text(json, 'frontier')),
    beyond: intervals(json['beyond']),
    fingerprint: fingerprint(json['fingerprint']),
    ...lost(json),
  }
}
/** Absent where nothing is. */
const lost = (json: Json): { readonly lost?: IntervalSet } =>
  json['lost'] === undefined ? {} : { lost: intervals(json['lost']) }

function intentBatch(value: unknown): IntentBatch {
  const json = object(value)
  return {
    firstRow: streamOffset(text(json, 'firstRow')),
    rowCount: integer(json, 'rowCount'),
    rows: intervals(json['rows']),
    dead: intervals(json['dead']),
    drop: intervals(json['drop']),
    ...lost(json),
    generation: integer(json, 'generation'),
    fingerprint: fingerprint(json['fingerprint']),
  }
}

const corrupt = (what: string, cause?: unknown): MillraceError =>
  new MillraceError('JOURNAL_LOST', 'failPartition', `The journal holds a record this version cannot read: ${what}.`, {
    cause,
  })
