// A bare client for the tests: grpc-js and protos/ only, nothing of packages/bigquery.
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  type ChannelCredentials,
  Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js'
import protobuf from 'protobufjs'

/** Brings the .proto files of the well-known types along. */
const PROTOBUFJS = dirname(createRequire(import.meta.url).resolve('protobufjs/package.json'))

const PROTOS = join(dirname(fileURLToPath(import.meta.url)), '../../../protos')
const V1 = 'google.cloud.bigquery.storage.v1'

export function loadRoot(): protobuf.Root {
  const root = new protobuf.Root()
  root.resolvePath = (_origin, target) =>
    protobuf.common.get(target) ? target : join(target.startsWith('google/protobuf/') ? PROTOBUFJS : PROTOS, target)
  root.loadSync([`${V1.replaceAll('.', '/')}/storage.proto`, `${V1.replaceAll('.', '/')}/annotations.proto`])
  return root
}
const root = loadRoot()

export type Message = Record<string, unknown>
export const encode = (type: string, value: Message): Buffer => {
  const found = root.lookupType(type.includes('.') ? type : `${V1}.${type}`)
  return Buffer.from(found.encode(found.fromObject(value)).finish())
}
export const decode = (type: string, bytes: Uint8Array): Message => {
  const found = root.lookupType(type.includes('.') ? type : `${V1}.${type}`)
  return found.toObject(found.decode(bytes), { longs: String, enums: String })
}

/** A failed RPC as the tests look at it. */
export type Failure = { code: number; message: string; storage: Message | undefined; details: Message | undefined }

function failure(error: ServiceError): Failure {
  const storage = error.metadata?.get(`${V1}.storageerror-bin`)[0]
  const details = error.metadata?.get('grpc-status-details-bin')[0]
  return {
    code: error.code,
    message: error.details,
    storage: storage ? decode('StorageError', storage as Buffer) : undefined,
    details: details ? decode('google.rpc.Status', details as Buffer) : undefined,
  }
}

/** The StorageError inside an in-band error. */
export function storageError(response: Message): Message {
  const error = response.error as { details: { value: Uint8Array }[] }
  return decode('StorageError', error.details[0]!.value)
}

/** No test's call lasts longer: what should have ended by then ends with DEADLINE_EXCEEDED. */
const CALL_MS_MAX = 30_000

export class RawClient {
  private static readonly open = new Set<RawClient>()
  private readonly client: Client
  private readonly token: string | undefined
  private readonly headers: Readonly<Record<string, string>>

  constructor(
    address: string,
    options: { channel?: ChannelCredentials; token?: string; headers?: Readonly<Record<string, string>> } = {},
  ) {
    this.client = new Client(address, options.channel ?? credentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.initial_reconnect_backoff_ms': 50,
    })
    this.token = options.token
    this.headers = options.headers ?? {}
    RawClient.open.add(this)
  }

  private metadata(): Metadata {
    const metadata = new Metadata()
    if (this.token) metadata.set('authorization', `Bearer ${this.token}`)
    for (const [key, value] of Object.entries(this.headers)) metadata.set(key, value)
    return metadata
  }

  /** Rejects with a Failure. */
  unary(method: string, request: Message, options: { deadlineMs?: number } = {}): Promise<Message> {
    const types: Record<string, string> = { CreateWriteStream: 'WriteStream', GetWriteStream: 'WriteStream' }
    return new Promise((resolve, reject) =>
      this.client.makeUnaryRequest(
        `/${V1}.BigQueryWrite/${method}`,
        (value: Message) => encode(`${method}Request`, value),
        (bytes: Buffer) => decode(types[method] ?? `${method}Response`, bytes),
        request,
        this.metadata(),
        { deadline: Date.now() + (options.deadlineMs ?? 20_000) },
        (error, value) => (error ? reject(failure(error)) : resolve(value!)),
      ),
    )
  }

  async createStream(table: string, type = 'COMMITTED'): Promise<string> {
    return String((await this.unary('CreateWriteStream', { parent: table, writeStream: { type } })).name)
  }

  append(): RawAppend {
    return new RawAppend(
      this.client.makeBidiStreamRequest(
        `/${V1}.BigQueryWrite/AppendRows`,
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        this.metadata(),
        { deadline: Date.now() + CALL_MS_MAX },
      ),
    )
  }

  static closeAll(): void {
    for (const client of RawClient.open) client.close()
  }

  close(): void {
    RawClient.open.delete(this)
    this.client.close()
  }
}

/** One AppendRows call. */
export class RawAppend {
  readonly responses: Message[] = []
  readonly call: ClientDuplexStream<Buffer, Buffer>
  /** Settles when the call is over: undefined when it ended well. */
  readonly ended: Promise<Failure | undefined>
  private waiters: (() => void)[] = []
  private isOver = false
  private taken = 0

  constructor(call: ClientDuplexStream<Buffer, Buffer>) {
    this.call = call
    const { promise, resolve } = Promise.withResolvers<Failure | undefined>()
    this.ended = promise
    const over = (outcome: Failure | undefined): void => {
      this.isOver = true
      resolve(outcome)
      this.wake()
    }
    call.on('data', (bytes: Buffer) => {
      this.responses.push(decode('AppendRowsResponse', bytes))
      this.wake()
    })
    call.on('error', (error: ServiceError) => over(failure(error)))
    call.on('end', () => setImmediate(() => over(undefined)))
  }

  private wake(): void {
    const { waiters } = this
    this.waiters = []
    for (const waiter of waiters) waiter()
  }

  send(request: Message): void {
    this.call.write(encode('AppendRowsRequest', request))
  }

  sendRaw(bytes: Buffer): void {
    this.call.write(bytes)
  }

  /** The next response; rejects when the call ends instead, or after ten seconds. */
  async next(): Promise<Message> {
    const deadline = setTimeout(() => this.call.cancel(), 10_000)
    try {
      while (this.responses.length <= this.taken) {
        if (this.isOver) throw await this.ended
        await new Promise<void>(resolve => this.waiters.push(resolve))
      }
      return this.responses[this.taken++]!
    } finally {
      clearTimeout(deadline)
    }
  }

  async ask(request: Message): Promise<Message> {
    this.send(request)
    return this.next()
  }

  cancel(): void {
    this.call.cancel()
  }
}

const SCALARS: Record<string, number> = {
  double: 1,
  float: 2,
  int64: 3,
  uint64: 4,
  int32: 5,
  fixed64: 6,
  fixed32: 7,
  bool: 8,
  string: 9,
  message: 11,
  bytes: 12,
  uint32: 13,
  enum: 14,
  sfixed32: 15,
  sfixed64: 16,
  sint32: 17,
  sint64: 18,
}

/** A writer schema written in proto: the first message is the row, the others are nested into it. Returns descriptor and row encoder. */
export function writer(body: string): { descriptor: Message; row: (value: Message) => Buffer } {
  const parsed = protobuf.parse(`syntax = "proto2"; message Row { ${body} }`, { keepCase: true }).root
  parsed.resolveAll()
  const type = parsed.lookupType('Row')
  return { descriptor: describe(type), row: value => Buffer.from(type.encode(type.fromObject(value)).finish()) }
}

function describe(type: protobuf.Type): Message {
  return {
    name: type.name,
    field: type.fieldsArray.map(field => {
      field.resolve()
      const resolved = field.resolvedType
      return {
        name: field.name,
        number: field.id,
        label: field.repeated ? 3 : field.required ? 2 : 1,
        type: resolved instanceof protobuf.Enum ? SCALARS.enum : resolved ? SCALARS.message : SCALARS[field.type],
        ...(resolved && { typeName: resolved.name }),
        ...(field.options?.default !== undefined && { defaultValue: String(field.options.default) }),
      }
    }),
    nestedType: type.nestedArray.filter(nested => nested instanceof protobuf.Type).map(describe),
    enumType: type.nestedArray
      .filter(nested => nested instanceof protobuf.Enum)
      .map(nested => ({
        name: nested.name,
        value: Object.entries(nested.values).map(([name, number]) => ({ name, number })),
      })),
  }
}

export function rowsOf(
  writerSchema: { descriptor: Message; row: (value: Message) => Buffer },
  values: Message[],
  withSchema: boolean,
): Message {
  return {
    ...(withSchema && { writerSchema: { protoDescriptor: writerSchema.descriptor } }),
    rows: { serializedRows: values.map(writerSchema.row) },
  }
}
