// One request of an AppendRows call: what is checked, in which order, and what it is answered.
// Order of the checks: stream, size, quota, presence of rows, missing values, offset, writer schema, rows. Measured is only that
// a duplicate offset comes before the schema; the rest is a choice.
import { isDeepStrictEqual } from 'node:util'
import { schemaToWriteApi } from '../catalog/table-schema.ts'
import type { EmulatorCore } from '../emulator-core.ts'
import { ExtraFields, UnusableDescriptor, UnusableInItsWords } from '../rows/field-match.ts'
import { TooManyValues } from '../rows/growth.ts'
import { checkWriterSchema } from '../rows/row-filler.ts'
import { columnsOnly } from '../storage/change-fields.ts'
import type { MissingValues, RowError, RowWriter, Written } from '../storage/storage.ts'
import { refuseAppend, type StreamState } from '../streams/stream-state.ts'
import { Refused } from '../streams/streams.ts'
import type { AppendRequest, MissingValue } from '../wire/append-request.ts'
import { MalformedProto } from '../wire/cursor.ts'
import { invalid, type Refusal, statusMessage } from '../wire/storage-error.ts'
import type { Destination, Destinations } from './append-destinations.ts'
import { close, type Outcome, refuse, refuseAs, respond } from './append-outcome.ts'
import type { StaleEnd } from './connections.ts'

/** Google's Node tests compare the StorageError's text with this, to the letter. */
const EXTRA_FIELDS = 'Schema mismatch due to extra fields in user schema'

export class AppendDecision {
  private readonly core: EmulatorCore
  private readonly destinations: Destinations
  /** default_missing_value_interpretation holds for the rest of the connection. */
  private missing: MissingValues = { byColumn: undefined, otherwise: 'null' }

  constructor(core: EmulatorCore, destinations: Destinations) {
    this.core = core
    this.destinations = destinations
  }

  /** Applies the request or refuses it. */
  decide(request: AppendRequest): Outcome {
    try {
      return this.append(request)
    } catch (error) {
      if (error instanceof Refused) return close(error.refusal)
      const { message } = error as Error
      return close({ code: 'INTERNAL', message: `Emulator error: ${message}` })
    }
  }

  private append(request: AppendRequest): Outcome {
    const { core } = this
    const { behavior, requestLimitBytes } = core
    const { isFirst } = this.destinations
    const destination = this.destinations.aim(request)
    const { name, table, state } = destination

    if (request.byteLength > requestLimitBytes)
      return refuse(invalid(`AppendRows request too large: ${request.byteLength} limit ${requestLimitBytes}`), name)
    const exceeded = core.quotas.takeAppend(table, request.byteLength, name)
    if (exceeded) return refuseAs(core.quotas.settings.appendExceeded, exceeded, name)
    if (request.format === 'arrow' ? !request.recordBatch : request.rows.count === 0) return noRows(name)
    const missing = this.missingValues(request, destination)
    if ('code' in missing) return refuse(missing, name)

    if (!state && request.offset !== undefined)
      return refuseAs(
        behavior.defaultOffset,
        invalid(`Offset cannot be specified on the default stream. Entity: ${name}`),
        name,
      )
    const stale = state && core.connections.staleEnd(name)
    const misplaced = state && refuseOffset(state, request.offset, stale)
    if (misplaced?.storage?.code === 'STREAM_FINALIZED') return refuseAs(behavior.finalizedAppend, misplaced, name)
    if (misplaced) return refuse(misplaced, name)
    const full = state?.type === 'PENDING' ? core.quotas.takePending(table, name, request.byteLength) : undefined
    if (full) return refuse(full, name)

    const writer = this.writer(destination)
    if (!('write' in writer)) {
      const how = writer.storage?.code === 'SCHEMA_MISMATCH_EXTRA_FIELDS' ? behavior.extraFields : behavior.badSchema
      return refuseAs(how === 'firstCloses' ? (isFirst ? 'close' : 'inBand') : how, writer, name)
    }
    const written = write(writer, request, missing, name)
    if ('code' in written) return refuse(written, name)
    const { rowCount, errors, heldBytes = 0 } = written
    if (errors.length > 0) return refuseRows(errors, name)
    if (rowCount === 0) return noRows(name)
    return this.accept(destination, request, { rowCount, bytes: Math.max(request.byteLength, heldBytes) }, stale)
  }

  private accept(
    destination: Destination,
    request: AppendRequest,
    { rowCount, bytes }: { readonly rowCount: number; readonly bytes: number },
    stale: StaleEnd | undefined,
  ): Outcome {
    const { core } = this
    const { name, state } = destination
    const updatedSchema = this.newsOfSchema(destination)
    if (!state) {
      core.committer.rowsWritten(bytes)
      return respond({ appendResult: {}, writeStream: name, ...updatedSchema }, rowCount)
    }
    core.committer.rowsWritten(bytes, core.streams.accepted(state, state.end, rowCount))
    // A stale end misplaces what names no offset: it says so, the rows are where they belong.
    const firstRow = stale && request.offset === undefined ? stale.end : state.end
    return respond(
      { appendResult: { offset: { value: String(firstRow) } }, writeStream: name, ...updatedSchema },
      rowCount,
    )
  }

  /** The first success after the table changed tells of it, on each connection and to each destination. */
  private newsOfSchema(destination: Destination): { updatedSchema: Record<string, unknown> } | undefined {
    const { table, told } = destination
    if (told === table.schema) return undefined
    const schema = this.core.schemaPropagation.appendSchema(table)
    if (schema === told) return undefined
    destination.told = schema
    return isDeepStrictEqual(schema, told) ? undefined : { updatedSchema: schemaToWriteApi(schema) }
  }

  private missingValues(request: AppendRequest, { name, table }: Destination): MissingValues | Refusal {
    const { defaultMissingValue, missingValues } = request
    if (defaultMissingValue && defaultMissingValue !== 'unspecified' && defaultMissingValue !== this.missing.otherwise)
      this.missing = { byColumn: undefined, otherwise: defaultMissingValue }
    if (!missingValues) return this.missing
    const spelled = new Map(table.schema.columns.map(column => [column.name.toLowerCase(), column.name]))
    const byColumn = new Map<string, MissingValue>()
    for (const [key, value] of missingValues) {
      if (value === 'unspecified')
        return invalid(`Missing value interpretation of column ${key.slice(0, 300)} is unspecified. Entity: ${name}`)
      const column = spelled.get(key.toLowerCase())
      if (column !== undefined) byColumn.set(column, value)
      else if (this.core.behavior.unknownMissingValueColumn === 'reject')
        return invalid(
          `Missing value interpretation of column ${key.slice(0, 300)}: the table has no such top-level column. Entity: ${name}`,
        )
    }
    return { byColumn, otherwise: this.missing.otherwise }
  }

  private writer(destination: Destination): RowWriter | Refusal {
    if (destination.writer) return destination.writer
    const { core } = this
    const { name, table, state, schema, partition } = destination
    try {
      const known = core.schemaPropagation.appendSchema(table)
      if (known !== table.schema) checkWriterSchema(columnsOnly(schema), known)
      destination.writer = core.storage.openWriter({
        table,
        schema,
        hiddenIn: state && state.type !== 'COMMITTED' ? name : undefined,
        isDefaultStream: state === undefined,
        partition,
      })
      return destination.writer
    } catch (error) {
      if (error instanceof Refused) return error.refusal
      if (error instanceof ExtraFields)
        return {
          code: 'INVALID_ARGUMENT',
          message: `${EXTRA_FIELDS}: ${error.message}. Entity: ${name}`,
          storage: { code: 'SCHEMA_MISMATCH_EXTRA_FIELDS', entity: name, message: EXTRA_FIELDS },
        }
      if (error instanceof UnusableInItsWords) return invalid(`${error.message} Entity: ${name}`)
      if (error instanceof UnusableDescriptor || error instanceof MalformedProto)
        return invalid(`Invalid ${schema.kind} schema: ${error.message} Entity: ${name}`)
      throw error
    }
  }
}

/** As refuseAppend; while a stream seems to end earlier than it does, even the right offset is beyond that. */
function refuseOffset(
  state: StreamState,
  offset: bigint | undefined,
  stale: StaleEnd | undefined,
): Refusal | undefined {
  const isBeyondStale = stale !== undefined && offset !== undefined && offset >= state.end && offset > stale.end
  return refuseAppend(isBeyondStale ? { ...state, end: stale.end } : state, offset)
}

function write(writer: RowWriter, request: AppendRequest, missing: MissingValues, name: string): Written | Refusal {
  try {
    return writer.write(request, missing)
  } catch (error) {
    if (error instanceof UnusableInItsWords) return invalid(`${error.message} Entity: ${name}`)
    if (error instanceof UnusableDescriptor || error instanceof MalformedProto || error instanceof TooManyValues)
      return invalid(`Rows cannot be read: ${error.message} Entity: ${name}`)
    throw error
  }
}

const noRows = (name: string): Outcome => refuse(invalid(`Rows must be specified. Entity: ${name}`), name)

function refuseRows(errors: readonly RowError[], name: string): Outcome {
  const message =
    'Errors found while processing rows. Please refer to the row_errors field for details. ' +
    `The list may not be complete because of the size limitations. Entity: ${name}`
  return respond({
    error: statusMessage({
      code: 'INVALID_ARGUMENT',
      message,
      storage: { code: 'STORAGE_ERROR_CODE_UNSPECIFIED', entity: name },
    }),
    rowErrors: errors.map(error => ({ index: error.index, code: 'FIELDS_ERROR', message: error.message })),
    writeStream: name,
  })
}
