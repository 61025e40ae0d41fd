// How fast the REST API of one worker answers when its cluster has 1,000 connectors. Real Kafka, Redis, emulator and worker, each
// a process; requests one after the other on one kept-alive connection, so that the figures are those of one client's wait.
// Some connectors run (claims, fetches, reports), the others are paused or stopped.
import { writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { parseArgs } from 'node:util'
import { connectorConfig, Stage } from '../e2e/support/stage.ts'
import { percentile } from './support/figures.ts'
import { machine } from './support/machine.ts'
import { cpuSeconds, rssBytes } from './support/process-meter.ts'
import { profileFlags } from './support/profile.ts'

const USAGE = `Usage: npm run bench -- control-plane [--quick] [--connectors N] [--running N] [--calls N] [--idle SEC] [--json FILE] [--profile FOLDER]

  --connectors N     connectors in the cluster (1000; 200 with --quick)
  --running N        of which run, each on one partition (50)
  --calls N          calls of each kind (100; 30 with --quick)
  --idle SEC         how long it is measured at rest (5)
  --json FILE        the figures, for machines
  --profile FOLDER   a CPU profile of the worker
`
const { values: flags } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    connectors: { type: 'string' },
    running: { type: 'string', default: '50' },
    calls: { type: 'string' },
    idle: { type: 'string', default: '5' },
    json: { type: 'string' },
    profile: { type: 'string' },
  },
})
const connectorCount = Number(flags.connectors ?? (flags.quick ? 200 : 1_000))
const runningCount = Math.min(Number(flags.running), connectorCount)
const callCount = Number(flags.calls ?? (flags.quick ? 30 : 100))
const TOPIC = 'bench'

type Figures = {
  readonly call: string
  readonly count: number
  /** The median may be this; null where nothing was promised. */
  readonly budgetMs: number | null
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  readonly workerCpuMsPerCall: number
  readonly answerBytes: number
}

async function measure(): Promise<void> {
  await using stage = await Stage.open()
  const end = (): void => {
    void stage[Symbol.asyncDispose]().finally(() => process.exit(130))
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end)
  if (flags.profile !== undefined) process.env['NODE_OPTIONS'] = profileFlags(flags.profile).join(' ')
  const worker = await stage.startWorker()
  delete process.env['NODE_OPTIONS']
  await Promise.all([stage.createTopic(TOPIC, 1), stage.createTable(TOPIC)])
  const { pid } = worker.child
  const api = new Api(worker.rest, pid)
  const about = machine(['packages/api/src', 'packages/core/src', 'packages/kafka/src', 'packages/cli/src'])
  process.stdout.write(`${JSON.stringify(about)}\n`)
  const rssBefore = rssBytes(pid)
  const results: Figures[] = []
  const report = (figures: Figures): void => {
    results.push(figures)
    process.stdout.write(`${line(figures)}\n`)
  }

  // The last hundred creates are those of a full cluster.
  const counted = Math.min(100, connectorCount)
  const create = (i: number): Call => ({ method: 'POST', path: '/connectors', body: newConnector(i), status: 201 })
  for (let i = 0; i < connectorCount - counted; i++) await api.call(create(i))
  report(await api.series('create, one after the other', 300, counted, i => create(connectorCount - counted + i)))
  await stage.until('what should run runs', async () => {
    const { body } = await stage.rest('GET', '/api/v1/workers')
    const { workers } = body as { workers: readonly { partitions: number }[] }
    return workers.reduce((sum, each) => sum + each.partitions, 0) >= runningCount ? true : null
  })

  const some = (i: number): string => nameOf((i * 37) % connectorCount)
  const full = { method: 'GET', path: '/connectors?expand=status&expand=info', status: 200 }
  report(await api.series('expand=status&expand=info', 200, callCount, () => full))
  report(await api.series('the same, gzip', 200, callCount, () => ({ ...full, gzip: true })))
  report(await api.series('GET /connectors', null, callCount, () => ({ ...full, path: '/connectors' })))
  report(
    await api.series('validate', 100, callCount, () => ({
      method: 'PUT',
      path: '/connector-plugins/BigQuerySinkConnector/config/validate',
      body: { ...connectorConfig(TOPIC), name: 'new' },
      status: 200,
    })),
  )
  report(
    await api.series('GET status', null, callCount, i => ({
      method: 'GET',
      path: `/connectors/${some(i)}/status`,
      status: 200,
    })),
  )
  report(
    await api.series('PUT config, changed', 300, callCount, i => ({
      method: 'PUT',
      path: `/connectors/${some(i)}/config`,
      body: connectorConfig(TOPIC, { 'my.note': `changed ${i}` }),
      status: 200,
    })),
  )
  report(
    await api.series('pause', null, callCount, i => ({
      method: 'PUT',
      path: `/connectors/${some(i + 1)}/pause`,
      status: 202,
    })),
  )
  report(
    await api.series('DELETE', null, Math.min(callCount, counted), i => ({
      method: 'DELETE',
      path: `/connectors/${nameOf(connectorCount - 1 - i)}`,
      status: 204,
    })),
  )
  const memory = { before: rssBefore, after: rssBytes(pid) }
  process.stdout.write(
    `RSS of the worker: ${megabytes(memory.before)} MB with no connector, ${megabytes(memory.after)} MB with ${connectorCount} after all calls\n`,
  )
  const idleFrom = cpuSeconds(pid)
  const idleSec = Number(flags.idle)
  await new Promise(resolve => setTimeout(resolve, idleSec * 1000))
  const idleShare = (cpuSeconds(pid) - idleFrom) / idleSec
  process.stdout.write(`CPU of the worker at rest: ${(idleShare * 100).toFixed(1)} % of a core\n`)
  if (flags.json !== undefined)
    writeFileSync(
      flags.json,
      `${JSON.stringify({ machine: about, connectorCount, runningCount, results, memory, idleShare }, null, 2)}\n`,
    )
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.removeListener(signal, end)
}

const nameOf = (i: number): string => `connector-${String(i).padStart(5, '0')}`

/** The first `runningCount` run; the others are paused and stopped by turns. */
function newConnector(i: number): object {
  const state = i < runningCount ? 'RUNNING' : i % 2 === 0 ? 'PAUSED' : 'STOPPED'
  return { name: nameOf(i), config: connectorConfig(TOPIC), initial_state: state }
}

type Call = {
  readonly method: string
  readonly path: string
  readonly status: number
  readonly body?: object
  readonly gzip?: boolean
}

class Api {
  readonly #base: string
  readonly #pid: number
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  constructor(base: string, pid: number) {
    this.#base = base
    this.#pid = pid
  }

  /** Bytes of the answer. */
  call({ method, path, status, body, gzip }: Call): Promise<number> {
    const payload = body === undefined ? undefined : JSON.stringify(body)
    const headers = {
      ...(payload === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
      ...(gzip ? { 'accept-encoding': 'gzip' } : {}),
    }
    return new Promise((resolve, reject) => {
      const sent = request(this.#base + path, { method, headers, agent: this.#agent }, answer => {
        const chunks: Buffer[] = []
        answer.on('data', chunk => chunks.push(chunk as Buffer))
        answer.on('error', reject)
        answer.on('end', () => {
          const whole = Buffer.concat(chunks)
          if (answer.statusCode === status) resolve(whole.length)
          else reject(new Error(`${method} ${path}: ${answer.statusCode} ${whole.subarray(0, 1_000)}`))
        })
      })
      sent.on('error', reject)
      sent.end(payload)
    })
  }

  async series(call: string, budgetMs: number | null, count: number, one: (i: number) => Call): Promise<Figures> {
    const times: number[] = []
    let answerBytes = 0
    const cpuFrom = cpuSeconds(this.#pid)
    for (let i = 0; i < count; i++) {
      const began = performance.now()
      answerBytes = await this.call(one(i))
      times.push(performance.now() - began)
    }
    const cpuMs = (cpuSeconds(this.#pid) - cpuFrom) * 1000
    return {
      call,
      count,
      budgetMs,
      p50Ms: percentile(times, 50),
      p99Ms: percentile(times, 99),
      maxMs: Math.max(...times),
      workerCpuMsPerCall: cpuMs / count,
      answerBytes,
    }
  }
}

const megabytes = (bytes: number): number => Math.round(bytes / 1e6)

function line(f: Figures): string {
  const verdict = f.budgetMs === null ? '' : f.p50Ms < f.budgetMs ? `within ${f.budgetMs} ms` : `OVER ${f.budgetMs} ms`
  return [
    f.call.padEnd(27),
    `p50 ${f.p50Ms.toFixed(1)} ms`,
    `p99 ${f.p99Ms.toFixed(1)} ms`,
    `max ${f.maxMs.toFixed(1)} ms`,
    `worker CPU ${f.workerCpuMsPerCall.toFixed(1)} ms a call`,
    `${f.answerBytes} bytes`,
    verdict,
  ]
    .filter(text => text !== '')
    .join(' | ')
}

if (flags.help) process.stdout.write(USAGE)
else await measure()
