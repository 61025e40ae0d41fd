// The emulator as its own process, for clients that know nothing of it, with what a test needs beside its client:
// tables, counts, faults. All over REST, so that a test in any language can do the same.
import assert from 'node:assert/strict'
import { type EmulatorProcess, startEmulatorProcess } from '@millrace/testkit'

export const PROJECT = 'p'
export const DATASET = 'd'

const PATIENCE_MS = 15_000

export type Field = {
  readonly name: string
  readonly type: string
  readonly mode?: 'NULLABLE' | 'REQUIRED' | 'REPEATED'
  readonly fields?: readonly Field[]
  readonly [property: string]: unknown
}

export type Emulator = {
  readonly process: EmulatorProcess
  /** `host:port` of the Write API. */
  readonly grpc: string
  /** `http://host:port` of REST v2. */
  readonly rest: string
  /** Creates a table in the data set and gives its resource name. `more` is merged into the table resource. */
  createTable(id: string, fields: readonly Field[], more?: object): Promise<string>
  /** Rows a query sees. */
  count(id: string): Promise<number>
  /** Sets one fault; see packages/emulator/README.md. */
  fault(fault: object): Promise<void>
  clearFaults(): Promise<void>
  /** Resolves once a fault has struck. */
  struck(): Promise<void>
  /** Turns knobs, and quotas; `reset` puts them back as they were at the start. */
  behave(patch: object): Promise<void>
  limit(quotas: object): Promise<void>
  reset(): Promise<void>
  /** Ends the open calls whose stream has this in its name, as a server that is replaced does. */
  restartConnections(stream: string): Promise<void>
  /** Has every HTTP/2 connection told to go away, and cut `graceMs` later. */
  drain(graceMs: number): Promise<void>
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export async function startEmulator(
  args: readonly string[] = [],
  options: { readonly dataDir?: string } = {},
): Promise<Emulator> {
  const process = await startEmulatorProcess({
    args: ['--project', PROJECT, '--dataset', DATASET, ...args],
    ...options,
  })
  const { grpc, rest } = process
  const api = `/bigquery/v2/projects/${PROJECT}`
  const control = async (method: string, path: string, body?: object): Promise<void> => {
    await call(rest, method, `/emulator/${path}`, body)
  }
  return {
    process,
    grpc,
    rest,
    async createTable(id, fields, more = {}) {
      const tableReference = { projectId: PROJECT, datasetId: DATASET, tableId: id }
      await call(rest, 'POST', `${api}/datasets/${DATASET}/tables`, { tableReference, schema: { fields }, ...more })
      return `projects/${PROJECT}/datasets/${DATASET}/tables/${id}`
    },
    async count(id) {
      const query = `SELECT COUNT(*) FROM \`${PROJECT}.${DATASET}.${id}\``
      const answer = await call(rest, 'POST', `${api}/queries`, { query, useLegacySql: false })
      return Number((answer as { rows: readonly { f: readonly { v: string }[] }[] }).rows[0]?.f[0]?.v)
    },
    fault: fault => control('POST', 'faults', fault),
    clearFaults: () => control('DELETE', 'faults'),
    async struck() {
      const deadline = Date.now() + PATIENCE_MS
      const hasStruck = async (): Promise<boolean> => {
        const { faults } = (await call(rest, 'GET', '/emulator/faults')) as { faults: readonly { fired: number }[] }
        return faults.some(({ fired }) => fired > 0)
      }
      while (!(await hasStruck())) assert.ok(Date.now() < deadline, 'no fault has struck')
    },
    behave: patch => control('PATCH', 'behavior', patch),
    limit: quotas => control('PATCH', 'quotas', quotas),
    async reset() {
      await control('DELETE', 'behavior')
      await control('DELETE', 'quotas')
    },
    restartConnections: stream => control('POST', 'connections/restart', { stream }),
    drain: graceMs => control('POST', 'connections/drain', { graceMs }),
    stop: () => process.stop(),
    [Symbol.asyncDispose]: () => process.stop(),
  }
}

async function call(base: string, method: string, path: string, body?: unknown): Promise<unknown> {
  const answer = await fetch(base + path, {
    method,
    ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`)
  return text === '' ? {} : JSON.parse(text)
}
