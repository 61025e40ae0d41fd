// One AppendRows call: requests in, one response for each in their order, or the end of the call.
// A1 a request is decided before the next is looked at, so no successor of a refused offset append can be accepted.
import type { ServerDuplexStream } from '@grpc/grpc-js'
import type { ConnectionView, EmulatorCore } from '../emulator-core.ts'
import type { FaultSpec } from '../faults/faults.ts'
import { ExtraFields, UnusableDescriptor } from '../rows/row-decoder.ts'
import type { RowError, RowWriter, WriterSchema } from '../storage/storage.ts'
import { refuseAppend } from '../streams/stream-state.ts'
import { type Found, Refused } from '../streams/streams.ts'
import { type AppendRequest, readAppendRequest } from '../wire/append-request.ts'
import { MalformedProto } from '../wire/cursor.ts'
import { codec } from '../wire/messages.ts'
import { grpcError, type Refusal, statusMessage } from '../wire/storage-error.ts'

const response = codec('AppendRowsResponse')

/** What becomes of a request. `silence` is never answered, and neither is anything after it. */
type Outcome =
  | { readonly kind: 'respond'; readonly bytes: Buffer }
  | { readonly kind: 'close'; readonly refusal: Refusal }
  | { readonly kind: 'silence' }

/** Refused by ending the call, rather than in a response. */
class Closed extends Error {
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    super(refusal.message)
    this.refusal = refusal
  }
}

/** Where requests that name nothing go: the target of the one before. */
type Target = { name: string; incarnation: string; schema: WriterSchema; writer: RowWriter | undefined }

export class AppendRowsCall {
  private readonly call: ServerDuplexStream<Buffer, Buffer>
  private readonly core: EmulatorCore
  private readonly view: ConnectionView
  private readonly abandon: AbortSignal
  private target: Target | undefined
  private hasReceived = false
  private hasEnded = false
  /** Set when the call is to end or be silent: what arrives later is not looked at. */
  private isDone = false
  private isHeld = false
  private isWaiting = false
  /** Requests behind a held one; the call is paused meanwhile, so these are few. */
  private held: Buffer[] = []
  /** Outcomes in request order; undefined = not known yet. */
  private readonly slots: { outcome: Outcome | undefined }[] = []

  constructor(call: ServerDuplexStream<Buffer, Buffer>, core: EmulatorCore, abandon: AbortSignal) {
    this.call = call
    this.core = core
    this.abandon = abandon
    this.view = { openedMs: core.nowMs(), stream: '', requests: 0, rows: 0, refused: 0 }
  }

  start(): void {
    this.core.connections.add(this.view)
    this.call.on('data', (bytes: Buffer) => this.receive(bytes))
    this.call.on('end', () => this.halfClosed())
    this.call.on('cancelled', () => this.forget())
    this.call.on('error', () => this.forget())
  }

  private forget(): void {
    this.core.connections.delete(this.view)
  }

  private receive(bytes: Buffer): void {
    if (this.isDone) return
    if (this.isHeld) {
      this.held.push(bytes)
      return
    }
    this.handle(bytes)
    if (!this.core.committer.isFull || this.isWaiting) return
    this.isWaiting = true
    this.call.pause()
    this.core.committer.onRoom(() => {
      this.isWaiting = false
      if (!this.isHeld) this.call.resume()
    })
  }

  private handle(bytes: Buffer): void {
    const slot: { outcome: Outcome | undefined } = { outcome: undefined }
    this.slots.push(slot)
    this.hasReceived = true
    this.view.requests++
    let request: AppendRequest
    try {
      request = readAppendRequest(bytes)
    } catch (error) {
      if (!(error instanceof MalformedProto)) throw error
      return this.settle(
        slot,
        close({ code: 'INVALID_ARGUMENT', message: `AppendRowsRequest cannot be read: ${error.message}` }),
      )
    }
    const fault = this.core.faults.strike(
      'AppendRows',
      request.writeStream || (this.target?.name ?? ''),
      request.offset,
    )
    if (fault?.effect === 'delayApply') return this.hold(slot, bytes, fault)
    this.decideAndSettle(slot, request, fault)
  }

  private hold(slot: { outcome: Outcome | undefined }, bytes: Buffer, fault: FaultSpec): void {
    this.isHeld = true
    this.call.pause()
    this.after(fault.delayMs, () => {
      this.isHeld = false
      this.decideAndSettle(slot, readAppendRequest(bytes), undefined)
      const waiting = this.held
      this.held = []
      for (const next of waiting) this.receive(next)
      if (!this.isHeld && !this.isWaiting) this.call.resume()
      if (this.hasEnded) this.flush()
    })
  }

  private decideAndSettle(
    slot: { outcome: Outcome | undefined },
    request: AppendRequest,
    fault: FaultSpec | undefined,
  ): void {
    const injected: Refusal | undefined = fault && { code: fault.code, message: fault.message }
    if (fault?.effect === 'close') return this.settle(slot, close(injected!))
    if (fault?.effect === 'blackhole') return this.settle(slot, { kind: 'silence' })
    if (fault?.effect === 'inBand')
      return this.settle(slot, this.refuse(injected!, request.writeStream || (this.target?.name ?? '')))
    const outcome = this.decide(request)
    if (outcome.kind === 'respond' && fault?.effect === 'closeAfterApply') return this.settle(slot, close(injected!))
    if (outcome.kind === 'respond' && fault?.effect === 'blackholeAfterApply')
      return this.settle(slot, { kind: 'silence' })
    if (fault?.effect === 'delayReply') {
      this.after(fault.delayMs, () => this.settle(slot, outcome))
      return
    }
    this.settle(slot, outcome)
  }

  private after(delayMs: number, act: () => void): void {
    const timer = setTimeout(act, delayMs)
    this.abandon.addEventListener('abort', () => clearTimeout(timer), { once: true })
  }

  /** The answer goes out once all it speaks of is stored. */
  private settle(slot: { outcome: Outcome | undefined }, outcome: Outcome): void {
    if (outcome.kind !== 'respond') this.isDone = true
    this.core.committer.whenStored(() => {
      slot.outcome = outcome
      this.flush()
    })
  }

  private flush(): void {
    while (this.slots.length > 0) {
      const { outcome } = this.slots[0]!
      if (!outcome || outcome.kind === 'silence') return
      this.slots.shift()
      if (outcome.kind === 'close') {
        this.slots.length = 0
        this.forget()
        this.call.emit('error', grpcError(outcome.refusal))
        return
      }
      if (!this.call.cancelled) this.call.write(outcome.bytes)
    }
    if (this.hasEnded && !this.isHeld && this.held.length === 0) {
      this.forget()
      this.call.end()
    }
  }

  private halfClosed(): void {
    this.hasEnded = true
    if (this.hasReceived) this.flush()
    else {
      this.forget()
      this.call.emit('error', grpcError({ code: 'INVALID_ARGUMENT', message: "Cannot route on empty project id ''" }))
    }
  }

  private decide(request: AppendRequest): Outcome {
    try {
      return this.append(request)
    } catch (error) {
      if (error instanceof Closed || error instanceof Refused) return close(error.refusal)
      throw error
    }
  }

  /** Order of the checks: shape, stream, finalized, offset, schema, rows. */
  private append(request: AppendRequest): Outcome {
    const isFirst = this.target === undefined
    const name = request.writeStream || (this.target?.name ?? '')
    const { requestLimitBytes } = this.core
    if (request.byteLength > requestLimitBytes)
      return this.refuse(
        invalid(`AppendRows request too large: ${request.byteLength} limit ${requestLimitBytes}`),
        name,
      )
    const found = this.aim(request)
    if (request.rows.count === 0)
      return this.refuse(invalid(`Rows must be specified. Entity: ${found.name}`), found.name)
    if (!found.state && request.offset !== undefined)
      return this.refuse(invalid(`Offset cannot be specified on the default stream. Entity: ${found.name}`), found.name)
    const refusal = found.state && refuseAppend(found.state, request.offset)
    if (refusal) return this.refuse(refusal, found.name)

    const writer = this.writer(found)
    if (!('write' in writer)) return isFirst ? close(writer) : this.refuse(writer, found.name)
    const { rowCount, errors } = writer.write(request, { byColumn: undefined, otherwise: 'null' })
    if (errors.length > 0) return this.refuseRows(errors, found.name)

    this.view.rows += rowCount
    if (!found.state) {
      this.core.committer.rowsWritten(request.byteLength)
      return respond({ appendResult: {}, writeStream: found.name })
    }
    const firstRow = found.state.end
    this.core.committer.rowsWritten(request.byteLength, this.core.streams.accepted(found.state, firstRow, rowCount))
    return respond({ appendResult: { offset: { value: String(firstRow) } }, writeStream: found.name })
  }

  /** Finds the stream the request is for and remembers it as the target. Throws Closed or Refused, which end the call. */
  private aim(request: AppendRequest): Found {
    const { target } = this
    if (request.format === 'arrow')
      throw new Closed({ code: 'UNIMPLEMENTED', message: 'arrow_rows is not supported by this emulator yet' })
    if (!target && request.writeStream === '')
      throw new Closed(invalid('The first request of an AppendRows call must have write_stream'))
    const found = this.core.streams.find(request.writeStream || target!.name)
    this.view.stream = found.name
    const isSwitch = target !== undefined && target.name !== found.name
    if (isSwitch && (found.state || !target.name.endsWith('/_default')))
      throw new Closed(invalid(`Only default streams can share a connection. Entity: ${found.name}`))
    if ((!target || isSwitch) && !request.schema)
      throw new Closed(
        invalid(`The first request for a stream of an AppendRows call must have writer_schema. Entity: ${found.name}`),
      )
    const isSame = target && !isSwitch && (!request.schema || request.schema.equals(target.schema.bytes))
    if (!isSame) {
      // Copied: a view would keep the whole request in memory.
      const schema: WriterSchema = { kind: request.format ?? 'proto', bytes: Buffer.from(request.schema!) }
      this.target = { name: found.name, incarnation: found.table.incarnation, schema, writer: undefined }
    }
    if (this.target!.incarnation !== found.table.incarnation) {
      this.target!.incarnation = found.table.incarnation
      this.target!.writer = undefined
    }
    return found
  }

  private writer(found: Found): RowWriter | Refusal {
    const target = this.target!
    try {
      target.writer ??= this.core.storage.openWriter({
        table: found.table,
        schema: target.schema,
        hiddenIn: found.state && found.state.type !== 'COMMITTED' ? found.name : undefined,
        isDefaultStream: found.state === undefined,
        partition: undefined,
      })
      return target.writer
    } catch (error) {
      if (error instanceof ExtraFields)
        return {
          code: 'INVALID_ARGUMENT',
          message: `Schema mismatch due to extra fields in user schema: ${error.message}. Entity: ${found.name}`,
          storage: { code: 'SCHEMA_MISMATCH_EXTRA_FIELDS', entity: found.name },
        }
      if (error instanceof UnusableDescriptor || error instanceof MalformedProto)
        return invalid(`Invalid proto schema: ${error.message} Entity: ${found.name}`)
      throw error
    }
  }

  private refuse(refusal: Refusal, writeStream: string): Outcome {
    this.view.refused++
    return respond({ error: statusMessage(refusal), writeStream })
  }

  private refuseRows(errors: readonly RowError[], name: string): Outcome {
    this.view.refused++
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
}

const invalid = (message: string): Refusal => ({ code: 'INVALID_ARGUMENT', message })
const close = (refusal: Refusal): Outcome => ({ kind: 'close', refusal })
const respond = (message: Record<string, unknown>): Outcome => ({ kind: 'respond', bytes: response.encode(message) })
