// Where the requests of one AppendRows call go: the stream they name or the one before, the writer schema they carry or the one before.
// One application-created stream per call, or any number of default streams of one location (multiplexing).
import { DEFAULT_STREAM, tableResource } from '../catalog/names.ts'
import type { Table } from '../catalog/resources.ts'
import type { TableSchema } from '../catalog/table-schema.ts'
import type { EmulatorCore } from '../emulator-core.ts'
import { hasChangeType } from '../storage/change-fields.ts'
import type { RowWriter, WriterSchema } from '../storage/storage.ts'
import type { StreamState } from '../streams/stream-state.ts'
import { Refused } from '../streams/streams.ts'
import type { AppendRequest } from '../wire/append-request.ts'
import { denied, invalid } from '../wire/storage-error.ts'
import type { OpenCall } from './connections.ts'

/** Destinations one call remembers; the one longest unused is forgotten, and opened anew when it comes again. */
const DESTINATIONS_MAX = 64

export type Destination = {
  /** The canonical name, with its partition decorator: what responses echo. */
  readonly name: string
  /** `20260131` of `table$20260131`. */
  readonly partition: string | undefined
  schema: WriterSchema
  /** Absent until rows came, and again when the schema or the table is another. */
  writer: RowWriter | undefined
  /** The table's schema as this call knows it; another one is told with the next success. */
  told: TableSchema
  /** As they were when the request was looked at. `state` is absent for a default stream. */
  table: Table
  state: StreamState | undefined
}

export class Destinations {
  private readonly core: EmulatorCore
  private readonly call: OpenCall
  private readonly known = new Map<string, Destination>()
  private current: Destination | undefined
  /** Once a call has switched its stream, each request must name it. */
  private hasSwitched = false

  constructor(core: EmulatorCore, call: OpenCall) {
    this.core = core
    this.call = call
  }

  /** Whether no request has found its destination yet. */
  get isFirst(): boolean {
    return this.current === undefined
  }

  /** The stream a request is for, as far as it can be told without looking. */
  nameFor(request: AppendRequest): string {
    return request.writeStream || (this.current?.name ?? '')
  }

  /** Finds the destination of a request and makes it the current one. Throws Refused, which ends the call. */
  aim(request: AppendRequest): Destination {
    const { current } = this
    if (request.writeStream === '') {
      if (!current) throw new Refused(invalid('The first request of an AppendRows call must have write_stream'))
      if (this.hasSwitched)
        throw new Refused(
          invalid(`Every request of a call that has switched its write_stream must have one. Entity: ${current.name}`),
        )
    }
    const { name: spelled, partition } = undecorated(request.writeStream || current!.name)
    const { name: found, table, state } = this.core.streams.find(spelled)
    const name = partition === undefined ? found : decorated(found, partition)
    const destination =
      current?.name === name ? this.keep(current, table, request) : this.open(name, partition, table, state, request)
    destination.table = table
    destination.state = state
    this.call.view.stream = name
    return destination
  }

  /** The same stream again. */
  private keep(current: Destination, table: Table, request: AppendRequest): Destination {
    this.takeSchema(current, request)
    this.follow(current, table)
    return current
  }

  /** The first stream of the call, or another one. */
  private open(
    name: string,
    partition: string | undefined,
    table: Table,
    state: StreamState | undefined,
    request: AppendRequest,
  ): Destination {
    const { current } = this
    if (current && (state || current.state))
      throw new Refused(invalid(`Only default streams can share a connection. Entity: ${name}`))
    if (current && current.table.location !== table.location)
      throw new Refused(
        invalid(`All streams of a connection must be in one location, here ${current.table.location}. Entity: ${name}`),
      )
    if (!request.schema)
      throw new Refused(
        invalid(`The first request for a stream of an AppendRows call must have writer_schema. Entity: ${name}`),
      )
    this.checkPropagated(table)
    const refusal = state && this.core.connections.join(this.call, name, state.end)
    if (refusal) throw new Refused(refusal)
    const destination = this.known.get(name) ?? this.newDestination(name, partition, table, request)
    this.takeSchema(destination, request)
    this.follow(destination, table)
    // Deleted first: the map stays in the order of last use.
    this.known.delete(name)
    this.known.set(name, destination)
    if (this.known.size > DESTINATIONS_MAX) this.known.delete(this.known.keys().next().value!)
    this.hasSwitched ||= current !== undefined
    this.current = destination
    return destination
  }

  private newDestination(
    name: string,
    partition: string | undefined,
    table: Table,
    request: AppendRequest,
  ): Destination {
    this.call.view.destinations++
    const told = this.core.schemaPropagation.appendSchema(table)
    return { name, partition, schema: schemaOf(request), writer: undefined, told, table, state: undefined }
  }

  private takeSchema(destination: Destination, request: AppendRequest): void {
    const { schema } = destination
    if (!request.schema) {
      if (request.format !== undefined && request.format !== schema.kind)
        throw new Refused(
          invalid(`Rows in ${request.format} need a writer_schema in ${request.format}. Entity: ${destination.name}`),
        )
      return
    }
    if (request.format === schema.kind && request.schema.equals(schema.bytes)) return
    const next = schemaOf(request)
    if (hasChangeType(next) !== hasChangeType(schema))
      throw new Refused(
        invalid(`Rows with _CHANGE_TYPE and rows without it cannot share a connection. Entity: ${destination.name}`),
      )
    if (destination.state) {
      const { exclusiveSchemaChange } = this.core.behavior
      if (exclusiveSchemaChange === 'ignore' && request.format === schema.kind) return
      if (exclusiveSchemaChange !== 'accept')
        throw new Refused(
          invalid(`writer_schema cannot change on a connection to this stream. Entity: ${destination.name}`),
        )
    }
    destination.schema = next
    destination.writer = undefined
  }

  /** A table dropped and created anew takes another writer. */
  private follow(destination: Destination, table: Table): void {
    if (destination.table.incarnation === table.incarnation) return
    destination.writer = undefined
    destination.told = this.core.schemaPropagation.appendSchema(table)
  }

  private checkPropagated(table: Table): void {
    if (this.core.streams.propagation.denies(table, 'append')) throw new Refused(denied(tableResource(table)))
  }
}

/** Copied: a view would keep the whole request in memory. */
function schemaOf(request: AppendRequest): WriterSchema {
  return { kind: request.format ?? 'proto', bytes: Buffer.from(request.schema!) }
}

const DEFAULT_SUFFIX = `/${DEFAULT_STREAM}`

/** Takes the partition decorator off a default stream's name; other streams have none, which is for the stream's finder to say. */
function undecorated(name: string): { name: string; partition: string | undefined } {
  const at = name.indexOf('$')
  if (at < 0 || !name.endsWith(DEFAULT_SUFFIX)) return { name, partition: undefined }
  const end = name.indexOf('/', at)
  return { name: name.slice(0, at) + name.slice(end), partition: name.slice(at + 1, end) }
}

/** The opposite, for a canonical name. */
const decorated = (name: string, partition: string): string =>
  name.replace(/\/streams\/_default$/, () => `$${partition}/streams/${DEFAULT_STREAM}`)
