// Google's own Node clients pointed at an emulator without credentials: the recipe of packages/emulator/README.md, and short words
// for what every case does with them.
import assert from 'node:assert/strict'
import { BigQuery } from '@google-cloud/bigquery'
import { adapt, managedwriter, protos } from '@google-cloud/bigquery-storage'
import { credentials } from '@grpc/grpc-js'
import { PassThroughClient } from 'google-auth-library'
import { DATASET, type Emulator, type Field, PROJECT, startEmulator } from '../support/emulator.ts'

type V1 = typeof protos.google.cloud.bigquery.storage.v1
export type WriteStream = InstanceType<V1['WriteStream']>
export type AppendResponse = protos.google.cloud.bigquery.storage.v1.IAppendRowsResponse
export type AppendRequest = protos.google.cloud.bigquery.storage.v1.IAppendRowsRequest
export type StorageError = protos.google.cloud.bigquery.storage.v1.IStorageError
export type Descriptor = protos.google.protobuf.IDescriptorProto
export type GoogleError = Error & { readonly code: number; readonly metadata?: unknown }
type Status = protos.google.rpc.IStatus

export const StorageErrorCode: V1['StorageError']['StorageErrorCode'] =
  protos.google.cloud.bigquery.storage.v1.StorageError.StorageErrorCode

/** Bounds every wait of a case: what should come and does not is a failure, not a hang. */
const PATIENCE_MS = 15_000

export type Connection = Awaited<ReturnType<managedwriter.WriterClient['createStreamConnection']>>

export type Table = {
  readonly id: string
  /** `projects/…/tables/…`. */
  readonly parent: string
  /** `p.d.table` in backticks, for SQL. */
  readonly sql: string
  readonly schema: { readonly fields: readonly Field[] }
  /** The descriptor Google's adapter makes of the schema. */
  readonly descriptor: Descriptor
}

export type Google = {
  readonly emulator: Emulator
  readonly bigquery: BigQuery
  readonly client: managedwriter.WriterClient
  /** Another WriterClient, closed with the rest. */
  newClient(): managedwriter.WriterClient
  createTable(fields: readonly Field[], more?: object): Promise<Table>
  /** Rows of a query as the BigQuery client shows them. */
  query(sql: string): Promise<readonly Record<string, unknown>[]>
  count(table: Table): Promise<number>
  stop(): Promise<void>
}

export const FIELDS: readonly Field[] = [
  { name: 'customer_name', type: 'STRING', mode: 'REQUIRED' },
  { name: 'row_num', type: 'INTEGER', mode: 'REQUIRED' },
]
export const row = (n: number): { customer_name: string; row_num: number } => ({ customer_name: `c${n}`, row_num: n })
export const rows = (from: number, count: number): ReturnType<typeof row>[] =>
  Array.from({ length: count }, (_, i) => row(from + i))

/**
 * No credentials and no search for any. The cast: each of Google's packages brings its own google-auth-library, and their types do not
 * mix; the objects do.
 */
const anonymous = new PassThroughClient() as never

/** The recipe. */
export function writerClient(grpc: string): managedwriter.WriterClient {
  const [apiEndpoint = '', port] = grpc.split(':')
  return new managedwriter.WriterClient({
    projectId: PROJECT,
    apiEndpoint,
    port: Number(port),
    sslCreds: credentials.createInsecure(),
    authClient: anonymous,
  })
}
export const bigQuery = (rest: string): BigQuery =>
  new BigQuery({ projectId: PROJECT, apiEndpoint: rest, authClient: anonymous })

export async function startGoogle(args: readonly string[] = []): Promise<Google> {
  const emulator = await startEmulator(args)
  const clients: managedwriter.WriterClient[] = []
  const newClient = (): managedwriter.WriterClient => {
    const client = writerClient(emulator.grpc)
    clients.push(client)
    return client
  }
  const bigquery = bigQuery(emulator.rest)
  let tables = 0
  const query: Google['query'] = async sql => (await bigquery.query(sql))[0] as Record<string, unknown>[]
  return {
    emulator,
    bigquery,
    client: newClient(),
    newClient,
    async createTable(fields, more = {}) {
      const id = `t${++tables}`
      await bigquery.dataset(DATASET).createTable(id, { schema: { fields } as object, ...more })
      const sql = `\`${PROJECT}.${DATASET}.${id}\``
      const parent = `projects/${PROJECT}/datasets/${DATASET}/tables/${id}`
      return {
        id,
        parent,
        sql,
        schema: { fields },
        // Made when asked for: the adapter does not know every type.
        get descriptor() {
          return descriptorFor(fields)
        },
      }
    },
    query,
    count: async table => Number((await query(`SELECT COUNT(*) AS c FROM ${table.sql}`))[0]?.['c']),
    async stop() {
      for (const client of clients) client.close()
      await emulator.stop()
    },
  }
}

/** As Google's own tests do it: REST schema → storage schema → descriptor. */
export function descriptorFor(fields: readonly Field[], ...options: readonly object[]): Descriptor {
  const schema = adapt.convertBigQuerySchemaToStorageTableSchema({ fields } as object)
  return adapt.convertStorageSchemaToProto2Descriptor(schema, 'root', ...(options as []))
}

/** A connection to the stream with a JSONWriter on it. */
export async function openWriter(
  client: managedwriter.WriterClient,
  streamId: string,
  descriptor: Descriptor,
  more: object = {},
): Promise<{ connection: Connection; writer: managedwriter.JSONWriter }> {
  const connection = await client.createStreamConnection({ streamId })
  const writer = new managedwriter.JSONWriter({ connection, protoDescriptor: descriptor, ...more })
  return { connection, writer }
}

export function createStream(
  client: managedwriter.WriterClient,
  table: Table,
  type: 'COMMITTED' | 'PENDING' | 'BUFFERED' = 'COMMITTED',
): Promise<string> {
  return client.createWriteStream({ streamType: managedwriter[STREAM_TYPES[type]], destinationTable: table.parent })
}
const STREAM_TYPES = { COMMITTED: 'CommittedStream', PENDING: 'PendingStream', BUFFERED: 'BufferedStream' } as const

/** The answer to an append, refusals included; rejects when the connection broke instead. */
export const answer = (write: { getResult(): Promise<AppendResponse> }): Promise<AppendResponse> =>
  inTime(write.getResult(), 'an answer to the append')

/** The answer to an append; fails when the rows were refused. */
export async function accepted(write: { getResult(): Promise<AppendResponse> }): Promise<AppendResponse> {
  const response = await answer(write)
  const refusal = [response.error?.message, ...(response.rowErrors ?? []).map(error => error.message)].join('\n')
  assert.equal(refusal, '')
  assert.ok(response.appendResult, 'neither a result nor an error')
  return response
}

/** The refusal inside the answer to an append; fails when the rows were accepted. */
export async function refused(write: { getResult(): Promise<AppendResponse> }): Promise<Status> {
  const response = await answer(write)
  assert.ok(response.error, 'it should have been refused')
  return response.error
}

/** Where the rows went; fails when they were refused. */
export async function offsetOf(write: { getResult(): Promise<AppendResponse> }): Promise<number> {
  return Number((await accepted(write)).appendResult?.offset?.value)
}

/** What a call rejects with. */
export async function failure(work: Promise<unknown>): Promise<GoogleError> {
  try {
    await inTime(work, 'a failure')
  } catch (error) {
    return error as GoogleError
  }
  throw new assert.AssertionError({ message: 'it should have failed' })
}

/** The StorageError inside an in-band error or an entry of stream_errors' status. */
export function storageErrorOf(status: Status | null | undefined): StorageError {
  const detail = status?.details?.find(({ type_url }) => type_url?.endsWith('.StorageError'))
  assert.ok(detail?.value, `no StorageError in ${JSON.stringify(status)}`)
  return protos.google.cloud.bigquery.storage.v1.StorageError.decode(detail.value as Uint8Array)
}

/** What parseStorageErrors shows of a failed call. */
export function parsedErrors(error: GoogleError): StorageError[] {
  return managedwriter.parseStorageErrors(error as unknown as Parameters<typeof managedwriter.parseStorageErrors>[0])
}

export async function inTime<T>(work: Promise<T>, what: string, patienceMs: number = PATIENCE_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${patienceMs} ms for ${what}`)), patienceMs)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
