// Two workers, one killed (SIGKILL): when did each partition of the dead one deliver its first row through the other? A takeover
// writes to a stream of its own, so the first row of a new stream is the first row of a partition.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { WorkerProcess } from '@millrace/testkit'
import { ask, connectorConfig } from '../../e2e/support/stage.ts'
import { cpuSeconds, rssBytes } from './process-meter.ts'
import { type Services, until } from './services.ts'
import { TRICKLE_FIELDS, Trickle } from './trickle.ts'

/** Of the worker, as it stands without a word in its properties. */
export const DEFAULTS = { leaseTtlMs: 10_000, burst: 40 } as const
/** What the takeover may take beside the lease and the paced creation of streams. */
export const ALLOWANCE_MS = 2_000

const CREATED = 201
/** Of the connector. A worker has whole tasks, and tasks differ by one partition. */
const TASKS = 8
const LOOK_EVERY_MS = 50
/** A partition that has not delivered for longer is not at work. */
const TRICKLE_PER_PARTITION_MS = 4
const TRICKLE_MIN_MS = 250
const WARNINGS_SHOWN = 10

export type Kill = {
  readonly partitions: number
  /** Of the dead worker. */
  readonly lost: number
  readonly wasLeader: boolean
  /** The ramp's level when it was killed. */
  readonly permitsPerSec: number
  readonly boundMs: number
  /** From the kill to the first row, by partition, sorted. */
  readonly firstRowMs: readonly number[]
  /** From the kill to the claim, by partition, sorted: what is not the creation of streams. */
  readonly claimMs: readonly number[]
  readonly survivorRssBytes: number
  /** Of the survivor, from the kill to the last first row: on a busy machine, this is what it waited for. */
  readonly survivorCpuSeconds: number
}

type PartitionView = {
  readonly state: string
  readonly stage: string | null
  readonly waiting: { readonly code: string } | null
  readonly trace?: string
}
type Owners = ReadonlyMap<string, number>

export class TakeoverRun implements AsyncDisposable {
  readonly #services: Services
  readonly #group: string
  readonly #partitions: number
  readonly #table: string
  readonly #trickle: Trickle
  readonly #nodeFlags: readonly string[]
  #workers: WorkerProcess[] = []

  private constructor(
    services: Services,
    group: string,
    partitions: number,
    table: string,
    trickle: Trickle,
    nodeFlags: readonly string[],
  ) {
    this.#services = services
    this.#group = group
    this.#partitions = partitions
    this.#table = table
    this.#trickle = trickle
    this.#nodeFlags = nodeFlags
  }

  /** Two workers with half of the partitions each, every one at work. */
  static async open(services: Services, partitions: number, nodeFlags: readonly string[] = []): Promise<TakeoverRun> {
    const name = services.unique('takeover')
    await services.createTable(name, TRICKLE_FIELDS)
    await services.createTopic(name, partitions)
    const everyMs = Math.max(TRICKLE_MIN_MS, TRICKLE_PER_PARTITION_MS * partitions)
    const trickle = await Trickle.open(services.kafka.bootstrapServers, name, partitions, everyMs)
    const run = new TakeoverRun(services, services.unique('group'), partitions, name, trickle, nodeFlags)
    try {
      await run.#addWorker()
      await run.#addWorker()
      const config = connectorConfig(name, { 'tasks.max': String(TASKS) })
      const created = await ask('POST', `${run.#any().rest}/connectors`, { name, config })
      assert.equal(created.status, CREATED, created.text)
      await run.#untilAtWork()
      return run
    } catch (error) {
      await run[Symbol.asyncDispose]()
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#workers.map(worker => worker.stop()))
    await this.#trickle[Symbol.asyncDispose]()
  }

  get rssBytes(): readonly number[] {
    return this.#workers.map(worker => rssBytes(worker.child.pid))
  }

  /** Kills the leader or the other one, measures, and puts a fresh worker in its place. */
  async kill(isLeader: boolean): Promise<Kill> {
    const permitsPerSec = await this.#untilBurst()
    const victim = await this.#victim(isLeader)
    const lost = (await this.#owners()).get(await idOf(victim)) ?? 0
    assert.ok(lost > 0, 'the victim has partitions')
    const known = new Set((await this.#services.streamsOf(this.#table)).map(({ name }) => name))
    this.#workers = this.#workers.filter(worker => worker !== victim)
    const survivor = this.#any()
    victim.child.kill('SIGKILL')
    const killedAtMs = Date.now()
    const cpuBefore = cpuSeconds(survivor.child.pid)
    await victim.child.exited
    const firstRows = new Map<string, number>()
    await until(`${lost} partitions deliver through the other worker`, LOOK_EVERY_MS, async () => {
      const streams = await this.#services.streamsOf(this.#table)
      for (const { name, rows } of streams)
        if (rows > 0 && !known.has(name) && !firstRows.has(name)) firstRows.set(name, Date.now() - killedAtMs)
      return firstRows.size >= lost ? true : null
    }).catch(async (cause: unknown) => {
      const text = `${firstRows.size} of ${lost} partitions delivered; the survivor says: ${await this.#situation(survivor)}`
      throw new Error(text, { cause })
    })
    assert.equal(firstRows.size, lost, 'one new stream for each partition')
    const survivorRssBytes = rssBytes(survivor.child.pid)
    const survivorCpuSeconds = cpuSeconds(survivor.child.pid) - cpuBefore
    const beyondBurst = Math.max(0, lost - DEFAULTS.burst)
    await victim.stop()
    await this.#addWorker()
    await this.#untilAtWork()
    return {
      partitions: this.#partitions,
      lost,
      wasLeader: isLeader,
      permitsPerSec,
      boundMs: DEFAULTS.leaseTtlMs + ALLOWANCE_MS + (beyondBurst / permitsPerSec) * 1000,
      firstRowMs: [...firstRows.values()].sort((a, b) => a - b),
      claimMs: claimsSince(survivor, killedAtMs),
      survivorRssBytes,
      survivorCpuSeconds,
    }
  }

  /** How many of its partitions are at what, and what it warned of last. */
  async #situation(worker: WorkerProcess): Promise<string> {
    const { body } = await ask('GET', `${worker.rest}/api/v1/connectors/${this.#table}/partitions`)
    const { partitions } = body as { partitions: readonly PartitionView[] }
    const counts = new Map<string, number>()
    for (const { state, stage, waiting, trace } of partitions) {
      const what = [state, stage, waiting?.code, trace?.split('\n')[0]].filter(Boolean).join(' ')
      counts.set(what, (counts.get(what) ?? 0) + 1)
    }
    const log = readFileSync(worker.child.logFile, 'utf8').split('\n')
    const warnings = log.filter(line => /^{"level":[45]0/.test(line)).slice(-WARNINGS_SHOWN)
    return [...[...counts].map(([what, count]) => `${count} × ${what}`), ...warnings].join('\n')
  }

  async #addWorker(): Promise<void> {
    this.#workers.push(await this.#services.startWorker(this.#group, {}, { nodeFlags: this.#nodeFlags }))
  }
  #any(): WorkerProcess {
    const worker = this.#workers[0]
    assert.ok(worker !== undefined, 'a worker runs')
    return worker
  }

  async #victim(isLeader: boolean): Promise<WorkerProcess> {
    return await until('there is a leader', LOOK_EVERY_MS, async () => {
      const leader = await this.#services.redisCommand(`GET ${this.#group}:leader`)
      const [first, second] = await Promise.all(this.#workers.map(idOf))
      if (first === undefined || second === undefined) return null
      const index = leader.includes(first) ? 0 : leader.includes(second) ? 1 : null
      return index === null ? null : (this.#workers[isLeader ? index : 1 - index] ?? null)
    })
  }

  /** How many partitions each worker has; ids of workers. */
  async #owners(): Promise<Owners> {
    const { body } = await ask('GET', `${this.#any().rest}/api/v1/workers`)
    const { workers } = body as { workers: readonly { worker: string; partitions: number }[] }
    return new Map(workers.map(({ worker, partitions }) => [worker, partitions]))
  }

  /** Both have their half, and rows that were sent just now have come from every partition. */
  async #untilAtWork(): Promise<void> {
    await until('both workers have their half', LOOK_EVERY_MS * 4, async () => {
      const owners = [...(await this.#owners()).values()]
      const isShared =
        owners.length === this.#workers.length && owners.every(n => n * owners.length >= this.#partitions - TASKS)
      return isShared ? true : null
    })
    const { sent } = this.#trickle
    await until('every partition delivers', LOOK_EVERY_MS * 4, async () =>
      (await this.#services.rowsIn(this.#table)) >= sent + this.#partitions ? true : null,
    )
  }

  /** Resolves with the ramp's level when its bucket is full. */
  async #untilBurst(): Promise<number> {
    return await until('the ramp is at rest', LOOK_EVERY_MS * 4, async () => {
      const answer = await this.#services.redisCommand(`HMGET ${this.#group}:ramp tokens refilledAtMs permitsPerSec`)
      const [tokens = 0, refilledAtMs = 0, permitsPerSec = 0] = answer
        .split('\r\n')
        .filter(line => /^[\d.]+(e\+\d+)?$/.test(line))
        .map(Number)
      assert.ok(permitsPerSec > 0, `the ramp has a level: ${answer}`)
      const now = tokens + ((Date.now() - refilledAtMs) * permitsPerSec) / 1000
      return now >= DEFAULTS.burst ? permitsPerSec : null
    })
  }
}

async function idOf(worker: WorkerProcess): Promise<string> {
  const { body } = await ask('GET', `${worker.rest}/api/v1/worker`)
  return (body as { worker: string }).worker
}

/** As the survivor logged them. */
function claimsSince(worker: WorkerProcess, sinceMs: number): readonly number[] {
  const times: number[] = []
  for (const line of readFileSync(worker.child.logFile, 'utf8').split('\n')) {
    if (!line.includes('"Partition claimed."')) continue
    const { time, takeover } = JSON.parse(line) as { time: string; takeover: boolean }
    const ms = Date.parse(time) - sinceMs
    if (takeover && ms > 0) times.push(ms)
  }
  return times.sort((a, b) => a - b)
}
