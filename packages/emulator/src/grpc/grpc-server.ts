// The gRPC listener: google.cloud.bigquery.storage.v1.BigQueryWrite on grpc-js, messages as raw bytes.
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js'
import type { EmulatorCore } from '../emulator-core.ts'
import { grpcError, type Refusal } from '../wire/storage-error.ts'
import { AppendRowsCall } from './append-rows.ts'
import { Delays } from './delays.ts'
import { clientProject, readRouting } from './routing.ts'
import { UNARY_METHODS } from './unary.ts'
import { judge, unaryHandler } from './unary-call.ts'

const SERVICE = '/google.cloud.bigquery.storage.v1.BigQueryWrite/'
/** Above the request limit, so that a request too large is refused in words and not cut off by the transport. */
const RECEIVE_HEADROOM_BYTES = 64 * 1024 * 1024
/** How long callers have to take the last answers when the emulator stops. */
const SHUTDOWN_MS_MAX = 500

export type Tls = { readonly cert: Buffer; readonly key: Buffer }
export type GrpcListener = {
  readonly port: number
  /** Tells every client by GOAWAY to open no more calls on its connection; what is open then ends after `graceMs`. */
  drain(graceMs: number): void
  close(): Promise<void>
}

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
    'grpc.max_concurrent_streams': core.behavior.concurrentStreamsMax,
  })
  const delays = new Delays(core.clock)
  const definition: Record<string, unknown> = {
    AppendRows: { path: `${SERVICE}AppendRows`, requestStream: true, responseStream: true, ...raw },
  }
  const handlers: Record<string, unknown> = {
    AppendRows: (call: ServerDuplexStream<Buffer, Buffer>) => openAppendRows(core, call, delays),
  }
  for (const [name, method] of Object.entries(UNARY_METHODS)) {
    definition[name] = { path: SERVICE + name, requestStream: false, responseStream: false, ...raw }
    handlers[name] = unaryHandler(core, name as keyof typeof UNARY_METHODS, method, delays)
  }
  server.addService(definition as never, handlers as never)
  const credentials = at.tls
    ? ServerCredentials.createSsl(null, [{ cert_chain: at.tls.cert, private_key: at.tls.key }])
    : ServerCredentials.createInsecure()
  const host = at.host.includes(':') ? `[${at.host}]` : at.host
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`${host}:${at.port}`, credentials, (error, bound) => (error ? reject(error) : resolve(bound))),
  )
  return {
    port,
    drain: graceMs => server.drain(`${host}:${port}`, graceMs),
    async close() {
      delays.callOff()
      core.connections.restart()
      await shutDown(server)
      core.connections.stop()
    },
  }
}

/** In order if the callers let it, else by force. */
async function shutDown(server: Server): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  await Promise.race([
    new Promise<void>(resolve => server.tryShutdown(() => resolve())),
    new Promise<void>(resolve => {
      timer = setTimeout(resolve, SHUTDOWN_MS_MAX)
    }),
  ])
  clearTimeout(timer)
  server.forceShutdown()
}

function openAppendRows(core: EmulatorCore, call: ServerDuplexStream<Buffer, Buffer>, delays: Delays): void {
  const routing = readRouting(call.metadata)
  const project = clientProject(call.metadata, routing)
  const denied = judge(core, call.metadata)
  if (denied) return turnAway(call, denied)
  const fault = core.faults.strikeOpen(routing?.write_stream ?? '')
  if (fault) return delays.after(fault.delayMs, () => turnAway(call, fault.refusal))
  const exceeded = core.quotas.openConnection(project)
  if (exceeded) return turnAway(call, exceeded)
  const authorization = call.metadata.get('authorization')[0]?.toString()
  const onOver = (): void => core.quotas.closeConnection(project)
  new AppendRowsCall(call, core, delays, { authorization, routing, onOver }).start()
}

function turnAway(call: ServerDuplexStream<Buffer, Buffer>, refusal: Refusal): void {
  call.on('data', () => {})
  call.emit('error', grpcError(refusal))
}
