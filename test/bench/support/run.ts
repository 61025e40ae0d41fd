// One measured run: an emulator process, a writer process, so many rows; both stopped again.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { cpuSeconds, type RssSample, watchRss } from './process-meter.ts'
import { COLUMNS } from './rows.ts'
import type { WriterReport, WriterTask } from './writer.ts'

export type StorageKind = 'null' | 'duckdb' | 'duckdb-file'
export type Run = {
  readonly writer: WriterReport
  readonly emulatorCpuSeconds: number
  readonly rss: readonly RssSample[]
}

const EMULATOR = fileURLToPath(new URL('../../../packages/emulator/src/main.ts', import.meta.url))
const WRITER = fileURLToPath(new URL('./writer.ts', import.meta.url))
const RSS_EVERY_MS = 250
const PROJECT = 'bench'
const DATASET = 'd'
const running = new Set<ChildProcess>()

/** Ends what is still running, for an interrupt. */
export function endProcesses(): void {
  for (const child of running) child.kill('SIGKILL')
}

/** `nodeFlags` go to the emulator's process, e.g. --cpu-prof. */
export async function runOnce(
  storage: StorageKind,
  load: Pick<WriterTask, 'rowCount' | 'connections' | 'inFlight'>,
  nodeFlags: readonly string[] = [],
): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), 'emulator-bench-'))
  const emulator = start([
    ...nodeFlags,
    EMULATOR,
    ...['--grpc-port', '0', '--rest-port', '0', '--project', PROJECT, '--dataset', DATASET],
    ...['--storage', storage === 'null' ? 'null' : 'duckdb'],
    ...(storage === 'duckdb-file' ? ['--data-dir', join(folder, 'data')] : []),
  ])
  try {
    const ready = /^ready grpc=(\S+) rest=(\S+)$/.exec(await emulator.line())
    if (!ready) throw new Error('the emulator did not say that it is ready')
    const [, address = '', rest = ''] = ready
    await post(`http://${rest}/bigquery/v2/projects/${PROJECT}/datasets/${DATASET}/tables`, {
      tableReference: { projectId: PROJECT, datasetId: DATASET, tableId: 't' },
      schema: { fields: COLUMNS },
    })
    const task: WriterTask = { address, table: `projects/${PROJECT}/datasets/${DATASET}/tables/t`, ...load }
    const writer = start([WRITER, JSON.stringify(task)])
    if ((await writer.line()) !== 'ready') throw new Error('the writer did not get ready')
    const pid = emulator.child.pid!
    const cpuBefore = cpuSeconds(pid)
    const stopWatching = watchRss(pid, RSS_EVERY_MS)
    writer.child.stdin!.write('go\n')
    const report = JSON.parse(await writer.line()) as WriterReport
    const emulatorCpuSeconds = cpuSeconds(pid) - cpuBefore
    const rss = stopWatching()
    if (storage !== 'null') await checkCount(rest, report)
    return { writer: report, emulatorCpuSeconds, rss }
  } finally {
    await emulator.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Every acknowledged row is in the table, those of the writers' first requests included. */
async function checkCount(rest: string, report: WriterReport): Promise<void> {
  const { ROWS_PER_REQUEST } = await import('./rows.ts')
  const expected = report.rows + report.streams.length * ROWS_PER_REQUEST
  const answer = (await post(`http://${rest}/bigquery/v2/projects/${PROJECT}/queries`, {
    query: `SELECT COUNT(*) FROM ${DATASET}.t`,
    useLegacySql: false,
  })) as { rows: { f: { v: string }[] }[] }
  const count = Number(answer.rows[0]!.f[0]!.v)
  if (count !== expected) throw new Error(`the table has ${count} rows, not the ${expected} acknowledged`)
}

function start(args: readonly string[]) {
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  running.add(child)
  const exited = once(child, 'exit').then(() => running.delete(child))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    child,
    async line(): Promise<string> {
      const { value, done } = await lines.next()
      if (done) throw new Error(`a process of the benchmark ended early (exit code ${child.exitCode})`)
      return value
    },
    async stop(): Promise<void> {
      child.kill('SIGTERM')
      await exited
    },
  }
}

async function post(url: string, body: unknown): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`)
  return response.json()
}
