// An emulator in the test's own process, with REST and gRPC at hand.
import assert from 'node:assert/strict'
import { type EmulatorOptions, type RunningEmulator, startEmulator } from '../src/index.ts'
import { type Message, RawClient } from './raw-client.ts'

export type Field = {
  name: string
  type: string
  mode?: string
  fields?: Field[]
  maxLength?: string
  precision?: string
  scale?: string
}
export type Answer = { status: number; body: Message }

export const PROJECT = 'p'
export const DATASET = 'd'

export class Rest {
  private readonly base: string
  private readonly headers: Record<string, string>

  constructor(address: string, headers: Record<string, string> = {}) {
    this.base = `http://${address}`
    this.headers = headers
  }

  async call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await fetch(this.base + path, {
      method,
      headers: { ...this.headers, ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, body: text === '' ? {} : JSON.parse(text) }
  }

  api(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer> {
    return this.call(method, `/bigquery/v2/projects/${PROJECT}${path}`, body, headers)
  }

  /** Creates a table; returns its resource name. */
  async createTable(table: string, fields: Field[]): Promise<string> {
    const { status, body } = await this.api('POST', `/datasets/${DATASET}/tables`, {
      tableReference: { tableId: table },
      schema: { fields },
    })
    assert.equal(status, 200, JSON.stringify(body))
    return `projects/${PROJECT}/datasets/${DATASET}/tables/${table}`
  }

  /** Rows of a query, values as REST shows them. */
  async query(sql: string): Promise<unknown[][]> {
    const { status, body } = await this.api('POST', '/queries', {
      query: sql,
      formatOptions: { useInt64Timestamp: true },
    })
    assert.equal(status, 200, JSON.stringify(body))
    return (body.rows as { f: { v: unknown }[] }[]).map(row => row.f.map(cell => cell.v))
  }

  async count(table: string): Promise<number> {
    return Number((await this.query(`SELECT COUNT(*) FROM \`${PROJECT}.${DATASET}.${table}\``))[0]![0])
  }
}

export type Harness = { emulator: RunningEmulator; rest: Rest; client: RawClient; close(): Promise<void> }

export async function startHarness(options: Partial<EmulatorOptions> = {}): Promise<Harness> {
  const emulator = await startEmulator({ grpcPort: 0, restPort: 0, project: PROJECT, dataset: DATASET, ...options })
  const client = new RawClient(emulator.grpcAddress)
  return {
    emulator,
    client,
    rest: new Rest(emulator.restAddress),
    async close() {
      client.close()
      RawClient.closeAll()
      await emulator.close()
    },
  }
}

/** Waits for the condition, at most ten seconds. */
export async function until(condition: () => Promise<boolean> | boolean, what: string): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `in vain: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
