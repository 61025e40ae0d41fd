// The Write API of an emulator, through somebody who lies about it: what a probe must notice. Everything a lie does not touch
// passes as it is; calls that end, end on both sides.

import { protos } from '@google-cloud/bigquery-storage'
import {
  Client,
  credentials,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServiceError,
  type StatusObject,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js'

const V1 = protos.google.cloud.bigquery.storage.v1
type AppendRequest = protos.google.cloud.bigquery.storage.v1.IAppendRowsRequest
type AppendResponse = protos.google.cloud.bigquery.storage.v1.IAppendRowsResponse

/** One append on its way: `request` names its stream always. */
export type Append = {
  readonly request: AppendRequest
  /** Of its call. */
  readonly isFirst: boolean
  /** Sends it on, or something else in its place, and resolves with the answer. */
  forward(request?: AppendRequest): Promise<AppendResponse>
}
export type FinalizeCall = {
  readonly stream: string
  /** How often this stream was finalized before. */
  readonly askedBefore: number
  forward(): Promise<bigint>
}
export type Lies = {
  append?(append: Append): Promise<AppendResponse>
  finalize?(call: FinalizeCall): Promise<bigint>
}

const SERVICE = '/google.cloud.bigquery.storage.v1.BigQueryWrite/'
const UNARY = ['CreateWriteStream', 'GetWriteStream', 'FinalizeWriteStream'] as const
const MESSAGE_BYTES_MAX = 32 << 20

const same = (bytes: Buffer): Buffer => bytes
const bytesOf = (writer: { finish(): Uint8Array }): Buffer => Buffer.from(writer.finish())

/** `grpc`: `host:port` of the emulator. The lies may be exchanged while it runs. */
export class LyingService implements AsyncDisposable {
  lies: Lies = {}
  readonly #server = new Server({ 'grpc.max_receive_message_length': MESSAGE_BYTES_MAX })
  readonly #upstream: Client
  readonly #finalized = new Map<string, number>()
  endpoint = ''

  private constructor(grpc: string) {
    this.#upstream = new Client(grpc, credentials.createInsecure(), { 'grpc.enable_http_proxy': 0 })
  }

  static async open(grpc: string): Promise<LyingService> {
    const service = new LyingService(grpc)
    const definition = Object.fromEntries(
      [...UNARY, 'AppendRows'].map(name => [
        name,
        {
          path: SERVICE + name,
          requestStream: name === 'AppendRows',
          responseStream: name === 'AppendRows',
          requestSerialize: same,
          requestDeserialize: same,
          responseSerialize: same,
          responseDeserialize: same,
        },
      ]),
    )
    const unary = Object.fromEntries(
      UNARY.map(name => [
        name,
        (call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>): void => {
          service.#answer(name, call.request).then(
            bytes => reply(null, bytes),
            (error: ServiceError) => reply({ code: error.code, details: error.details, metadata: error.metadata }),
          )
        },
      ]),
    )
    service.#server.addService(definition, {
      ...unary,
      AppendRows: (call: ServerDuplexStream<Buffer, Buffer>) => service.#appendRows(call),
    })
    const port = await new Promise<number>((resolve, reject) => {
      service.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      )
    })
    service.endpoint = `http://127.0.0.1:${port}`
    return service
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown()
    this.#upstream.close()
  }

  async #answer(name: (typeof UNARY)[number], request: Buffer): Promise<Buffer> {
    const lie = this.lies.finalize
    if (name !== 'FinalizeWriteStream' || lie === undefined) return await this.#call(name, request)
    const stream = V1.FinalizeWriteStreamRequest.decode(request).name
    const askedBefore = this.#finalized.get(stream) ?? 0
    this.#finalized.set(stream, askedBefore + 1)
    const forward = async (): Promise<bigint> => {
      const response = V1.FinalizeWriteStreamResponse.decode(await this.#call(name, request))
      return BigInt(String(response.rowCount))
    }
    const rowCount = Number(await lie({ stream, askedBefore, forward }))
    return bytesOf(V1.FinalizeWriteStreamResponse.encode({ rowCount }))
  }

  #call(name: string, request: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#upstream.makeUnaryRequest<Buffer, Buffer>(SERVICE + name, same, same, request, (error, response) =>
        error === null && response !== undefined ? resolve(response) : reject(error ?? new Error('no response')),
      )
    })
  }

  #appendRows(call: ServerDuplexStream<Buffer, Buffer>): void {
    const upstream = this.#upstream.makeBidiStreamRequest<Buffer, Buffer>(`${SERVICE}AppendRows`, same, same)
    const answers: ((response: AppendResponse) => void)[] = []
    let stream = ''
    /** Responses leave in request order, whatever a lie waits for. */
    let before: Promise<unknown> = Promise.resolve()

    const send = (request: AppendRequest): Promise<AppendResponse> =>
      new Promise(resolve => {
        answers.push(resolve)
        upstream.write(bytesOf(V1.AppendRowsRequest.encode(request)))
      })
    call.on('data', (bytes: Buffer) => {
      const request = V1.AppendRowsRequest.decode(bytes)
      const isFirst = stream === ''
      if (request.writeStream !== '') stream = request.writeStream
      const append: Append = {
        isFirst,
        request: Object.assign(V1.AppendRowsRequest.decode(bytes), { writeStream: stream }),
        forward: (other = request) => send(other),
      }
      const answer = this.lies.append?.(append) ?? append.forward()
      before = Promise.all([answer, before]).then(([response]) => {
        if (!call.cancelled) call.write(bytesOf(V1.AppendRowsResponse.encode(response)))
      })
    })
    call.on('end', () => void before.then(() => upstream.end()))
    call.on('cancelled', () => upstream.cancel())
    upstream.on('data', (bytes: Buffer) => answers.shift()?.(V1.AppendRowsResponse.decode(bytes)))
    // An end that is not OK comes as an error, too, which would end the process if nobody listened.
    upstream.on('error', () => {})
    upstream.on('status', ({ code, details, metadata }: StatusObject) => {
      if (code === status.OK) call.end()
      else call.emit('error', { code, details, metadata })
    })
  }
}
