// One measured run of the pipeline: a worker of a cluster of its own drains the topic into a table of its own.
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { ask, connectorConfig } from '../../e2e/support/stage.ts'
import { FIELDS } from './narrow-json.ts'
import { cpuSeconds, rssBytes } from './process-meter.ts'
import { type Services, until } from './services.ts'

export const CONTESTANTS = ['with the journal', 'without it'] as const
export type Contestant = (typeof CONTESTANTS)[number]

export type PipelineRun = {
  /** From the end of the warm-up to the last row. */
  readonly rows: number
  readonly seconds: number
  readonly cpuSeconds: number
  readonly brokerCpuSeconds: number
  readonly emulatorCpuSeconds: number
  readonly rssPeakBytes: number
  /** From the answer to `POST /connectors` to the first row. */
  readonly firstRowMs: number
  readonly journalRecords: number
  readonly journalBytes: number
  /** Of the whole run, as the journal's figures are. */
  readonly wholeSeconds: number
}

type Sample = {
  readonly atMs: number
  readonly rows: number
  readonly worker: number
  readonly broker: number
  readonly emulator: number
}

const WITHOUT_JOURNAL = fileURLToPath(new URL('./without-journal.ts', import.meta.url))
const SAMPLE_EVERY_MS = 50
/** Of the rows: compiling and growing of buffers are over by then. */
const WARM_UP_SHARE = 0.25
const CREATED = 201

export async function runPipeline(
  services: Services,
  contestant: Contestant,
  topic: string,
  records: number,
  nodeFlags: readonly string[] = [],
): Promise<PipelineRun> {
  const table = services.unique('t')
  const group = services.unique('pipeline')
  await services.createTable(table, FIELDS)
  const main = contestant === 'without it' ? { main: WITHOUT_JOURNAL } : {}
  await using worker = await services.startWorker(group, {}, { ...main, nodeFlags })
  const { pid } = worker.child
  let rssPeakBytes = 0
  const sample = async (): Promise<Sample> => {
    rssPeakBytes = Math.max(rssPeakBytes, rssBytes(pid))
    const rows = await services.rowsIn(table)
    return {
      atMs: performance.now(),
      rows,
      worker: cpuSeconds(pid),
      broker: cpuSeconds(services.kafka.pids[0] ?? 0),
      emulator: cpuSeconds(services.emulator.child.pid),
    }
  }
  const config = connectorConfig(topic, {
    topic2TableMap: `${topic}:${table}`,
    'append.linger.ms': '100',
    'tasks.max': '1',
  })
  const created = await ask('POST', `${worker.rest}/connectors`, { name: table, config })
  assert.equal(created.status, CREATED, created.text)
  const createdAtMs = performance.now()
  const first = await until('the first row', SAMPLE_EVERY_MS, async () => {
    const now = await sample()
    assert.equal(worker.child.exit(), null, 'the worker runs')
    return now.rows > 0 ? now : null
  })
  let warm: Sample | null = null
  const last = await until(`all ${records} rows`, SAMPLE_EVERY_MS, async () => {
    const now = await sample()
    if (now.rows >= records * WARM_UP_SHARE) warm ??= now
    assert.equal(worker.child.exit(), null, 'the worker runs')
    return now.rows >= records ? now : null
  })
  assert.equal(last.rows, records, 'every record is a row, once')
  const from: Sample = warm ?? first
  const journal = await services.sizeOf(`${group}-journal`)
  return {
    rows: last.rows - from.rows,
    seconds: (last.atMs - from.atMs) / 1000,
    cpuSeconds: last.worker - from.worker,
    brokerCpuSeconds: last.broker - from.broker,
    emulatorCpuSeconds: last.emulator - from.emulator,
    rssPeakBytes,
    firstRowMs: first.atMs - createdAtMs,
    journalRecords: journal.records,
    journalBytes: journal.bytes,
    wholeSeconds: (last.atMs - first.atMs) / 1000,
  }
}
