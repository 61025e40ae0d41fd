// The gRPC listener: google.cloud.bigquery.storage.v1.BigQueryWrite on grpc-js, messages as raw bytes.
import {
  type Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
} from '@grpc/grpc-js'
import { FORBIDDEN_TEXT, UNAUTHENTICATED_TEXT } from '../access.ts'
import type { EmulatorCore } from '../emulator-core.ts'
import type { FaultMethod, FaultSpec } from '../faults/faults.ts'
import { Refused } from '../streams/streams.ts'
import { codec } from '../wire/messages.ts'
import { grpcError, type Refusal } from '../wire/storage-error.ts'
import { AppendRowsCall } from './append-rows.ts'
import { UNARY_METHODS, type UnaryMethod } from './unary.ts'

const SERVICE = '/google.cloud.bigquery.storage.v1.BigQueryWrite/'
/** As the service announces: the 101st AppendRows on a connection waits. */
const CONCURRENT_STREAMS_MAX = 100
/** Above the request limit, so that a request too large is refused in words and not cut off by the transport. */
const RECEIVE_HEADROOM_BYTES = 64 * 1024 * 1024

export type Tls = { readonly cert: Buffer; readonly key: Buffer }
export type GrpcListener = { readonly port: number; close(): Promise<void> }

const raw = {
  requestDeserialize: (bytes: Buffer): Buffer => bytes,
  responseSerialize: (bytes: Buffer): Buffer => bytes,
}

export async function listenGrpc(
  core: EmulatorCore,
  at: { host: string; port: number; tls?: Tls | undefined },
): Promise<GrpcListener> {
  const server = new Server({
    'grpc.max_receive_message_length': core.requestLimitBytes + RECEIVE_HEADROOM_BYTES,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': CONCURRENT_STREAMS_MAX,
  })
  const stopping = new AbortController()
  const definition: Record<string, unknown> = {
    AppendRows: { path: `${SERVICE}AppendRows`, requestStream: true, responseStream: true, ...raw },
  }
  const handlers: Record<string, unknown> = {
    AppendRows: (call: ServerDuplexStream<Buffer, Buffer>) => {
      const refusal = judge(core, call.metadata)
      if (refusal) {
        call.on('data', () => {})
        call.emit('error', grpcError(refusal))
      } else new AppendRowsCall(call, core, stopping.signal).start()
    },
  }
  for (const [name, method] of Object.entries(UNARY_METHODS)) {
    definition[name] = { path: SERVICE + name, requestStream: false, responseStream: false, ...raw }
    handlers[name] = unaryHandler(core, name as FaultMethod, method, stopping.signal)
  }
  server.addService(definition as never, handlers as never)
  const credentials = at.tls
    ? ServerCredentials.createSsl(null, [{ cert_chain: at.tls.cert, private_key: at.tls.key }])
    : ServerCredentials.createInsecure()
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`${at.host.includes(':') ? `[${at.host}]` : at.host}:${at.port}`, credentials, (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  )
  return {
    port,
    async close() {
      stopping.abort()
      server.forceShutdown()
    },
  }
}

function judge(core: EmulatorCore, metadata: Metadata): Refusal | undefined {
  const verdict = core.access.judge(metadata.get('authorization')[0]?.toString())
  if (verdict === 'unauthenticated') return { code: 'UNAUTHENTICATED', message: UNAUTHENTICATED_TEXT }
  return verdict === 'forbidden' ? { code: 'PERMISSION_DENIED', message: FORBIDDEN_TEXT } : undefined
}

function unaryHandler(core: EmulatorCore, name: FaultMethod, method: UnaryMethod, stopping: AbortSignal) {
  const requestCodec = codec(method.requestType)
  const responseCodec = codec(method.responseType)
  return (call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>): void => {
    const answer = async (): Promise<Buffer | undefined> => {
      const denied = judge(core, call.metadata)
      if (denied) throw new Refused(denied)
      const request = readMessage(requestCodec, call.request)
      const fault = core.faults.strike(name, method.subject(request))
      if (fault?.effect === 'delayApply') await pause(fault.delayMs, stopping)
      if (fault?.effect === 'blackhole') return undefined
      if (fault?.effect === 'close' || fault?.effect === 'inBand') throw injected(fault)
      const result = responseCodec.encode(await method.run(request, core))
      if (fault?.effect === 'delayReply') await pause(fault.delayMs, stopping)
      if (fault?.effect === 'closeAfterApply') throw injected(fault)
      return fault?.effect === 'blackholeAfterApply' ? undefined : result
    }
    answer().then(
      bytes => bytes && reply(null, bytes),
      (error: Error) =>
        reply(
          grpcError(
            error instanceof Refused
              ? error.refusal
              : { code: 'INTERNAL', message: `Emulator error: ${error.message}` },
          ),
        ),
    )
  }
}

function readMessage(requestCodec: ReturnType<typeof codec>, bytes: Buffer): Record<string, unknown> {
  try {
    return requestCodec.decode(bytes)
  } catch (error) {
    throw new Refused({ code: 'INVALID_ARGUMENT', message: `The request cannot be read: ${(error as Error).message}` })
  }
}

const injected = (fault: FaultSpec): Refused => new Refused({ code: fault.code, message: fault.message })

function pause(delayMs: number, stopping: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, delayMs)
    stopping.addEventListener('abort', () => clearTimeout(timer), { once: true })
  })
}
