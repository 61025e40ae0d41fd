// A Write API server of a few lines whose every answer the test writes itself: for what no well-behaved service would say.
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
} from '@grpc/grpc-js'
import { decode, encode, official } from './official-protos.ts'

const SERVICE = '/google.cloud.bigquery.storage.v1.BigQueryWrite/'
const passThrough = (bytes: Buffer): Buffer => bytes

export type AppendCall = ServerDuplexStream<Buffer, Buffer>
export type UnaryCall = ServerUnaryCall<Buffer, Buffer>
export type Script = {
  /** A new AppendRows call. */
  append?: (call: AppendCall) => void
  unary?: (method: string, call: UnaryCall, answer: sendUnaryData<Buffer>) => void
}

export type ScriptedServer = { readonly port: number; readonly sessions: () => number } & AsyncDisposable

export async function startScriptedServer(
  script: Script,
  tls?: { readonly key: string; readonly cert: string },
): Promise<ScriptedServer> {
  const server = new Server({ 'grpc.max_receive_message_length': -1 })
  const unary = (name: string) => ({
    path: `${SERVICE}${name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: passThrough,
    requestDeserialize: passThrough,
    responseSerialize: passThrough,
    responseDeserialize: passThrough,
  })
  const peers = new Set<string>()
  server.addService(
    {
      AppendRows: { ...unary('AppendRows'), requestStream: true, responseStream: true },
      CreateWriteStream: unary('CreateWriteStream'),
      GetWriteStream: unary('GetWriteStream'),
      FinalizeWriteStream: unary('FinalizeWriteStream'),
    },
    {
      AppendRows: (call: AppendCall) => {
        peers.add(call.getPeer())
        script.append?.(call)
      },
      ...Object.fromEntries(
        ['CreateWriteStream', 'GetWriteStream', 'FinalizeWriteStream'].map(method => [
          method,
          (call: UnaryCall, answer: sendUnaryData<Buffer>) => script.unary?.(method, call, answer),
        ]),
      ),
    },
  )
  const credentials =
    tls === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(null, [{ private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.cert) }])
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error === null ? resolve(bound) : reject(error))),
  )
  return {
    port,
    sessions: () => peers.size,
    async [Symbol.asyncDispose]() {
      server.forceShutdown()
    },
  }
}

export const readRequest = (bytes: Buffer): Record<string, unknown> => decode(official.AppendRowsRequest, bytes)
export const response = (value: object): Buffer => encode(official.AppendRowsResponse, value)
export const acknowledge = (offset: number): Buffer => response({ appendResult: { offset: { value: offset } } })
