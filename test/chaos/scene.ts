// What a row of the matrix has for itself: a topic, its table, its connector and load, on a stage it may share; and the words in
// which rows speak: what hit, how long partitions took to go on, and what has to be true in the meantime.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectorConfig, DLQ, type Field, type PartitionShape, sqlName } from '../e2e/support/stage.ts'
import type { Place } from './checker.ts'
import { Flow } from './flow.ts'
import { ABORTED_FROM } from './ledger.ts'
import { BROKERS, type ChaosStage, type Seat } from './stage.ts'
import { countOffsets } from './topic-reader.ts'

export const PARTITIONS = 6
const POLL_MS = 50
/** On a busy machine; a healthy one needs a tenth. */
export const PATIENCE_MS = 90_000

export type SceneOptions = {
  /** Of the connector. */
  readonly config?: Readonly<Record<string, string>>
  readonly partitions?: number
  /** With --full. */
  readonly fullPartitions?: number
  /** Replicas of the source topic; default 3. */
  readonly replicas?: number
  readonly transactions?: boolean
  readonly poison?: boolean
  readonly rowsPerSend?: number
  /** Columns of the table; default PLAIN. */
  readonly fields?: readonly Field[]
  /** Value of a record that belongs in the dead letter queue; it has to hold `no number <id>`. */
  readonly poisonValue?: (id: number) => object
}

export class Scene implements Place {
  readonly stage: ChaosStage
  /** Of connector, topic and table alike. */
  readonly name: string
  readonly deadLetterTopic: string
  readonly flow: Flow
  /** Faults last as long as the matrix says; else they are scaled to short leases. */
  readonly isFull: boolean
  /** The proof that the fault hit: what was seen, how often. */
  readonly hits: Map<string, number> = new Map()
  readonly takeoverMs: number[] = []
  recoveryMs: number | null = null

  private constructor(stage: ChaosStage, name: string, isFull: boolean, options: SceneOptions) {
    this.stage = stage
    this.name = name
    this.deadLetterTopic = `${name}_dead`
    this.isFull = isFull
    const { partitions = PARTITIONS, transactions, poison, rowsPerSend, poisonValue } = options
    this.flow = new Flow(stage, {
      topic: name,
      partitions,
      ...(transactions === undefined ? {} : { transactions }),
      ...(poison === undefined ? {} : { poison }),
      ...(rowsPerSend === undefined ? {} : { rowsPerSend }),
      ...(poisonValue === undefined ? {} : { poisonValue }),
    })
  }

  get topic(): string {
    return this.name
  }
  get table(): string {
    return this.name
  }

  /** Topic, table and connector; resolves when every partition delivers. */
  static async open(stage: ChaosStage, name: string, isFull: boolean, given: SceneOptions = {}): Promise<Scene> {
    const options =
      isFull && given.fullPartitions !== undefined ? { ...given, partitions: given.fullPartitions } : given
    const { partitions = PARTITIONS, replicas = BROKERS, config = {}, fields } = options
    await Promise.all([stage.createTopic(name, partitions, replicas), stage.createTable(name, fields)])
    await stage.createConnector(
      name,
      connectorConfig(name, {
        'tasks.max': String(partitions),
        ...DLQ(`${name}_dead`),
        'errors.deadletterqueue.topic.replication.factor': String(BROKERS),
        ...config,
      }),
    )
    await stage.until(`${name} runs on ${stage.running.length} workers`, async () => {
      const shown = await stage.untilRunning(name, partitions)
      const owners = new Set(shown.map(p => p.worker))
      return owners.size === Math.min(stage.running.length, partitions) ? true : null
    })
    const scene = new Scene(stage, name, isFull, options)
    await scene.untilFresh()
    return scene
  }

  /** How long a fault of the matrix lasts: as written there with --full, else `scaledMs`. */
  lasting(fullMs: number, scaledMs: number): number {
    return this.isFull ? fullMs : scaledMs
  }
  get isVoid(): boolean {
    return this.hits.size === 0 || [...this.hits.values()].some(count => count <= 0)
  }
  async sleep(ms: number): Promise<void> {
    await sleep(ms)
  }

  /** The fault was seen to hit, so many times. A row that says nothing, or of anything that it never hit, is void. */
  hit(what: string, count: number = 1): void {
    this.hits.set(what, (this.hits.get(what) ?? 0) + count)
  }

  // ── what is delivered ──

  /** When each partition first delivered a record that was not sent before that moment: milliseconds after it, by partition. */
  async delays(
    sinceMs: number,
    of: readonly number[] = this.#everyPartition(),
    patienceMs: number = PATIENCE_MS,
  ): Promise<ReadonlyMap<number, number>> {
    const delays = new Map<number, number>()
    await this.stage.until(
      () => `partitions of ${this.name} deliver again; ${[...delays.keys()]} do, of ${of}`,
      async () => {
        const first = this.flow.firstIdAfter(sinceMs)
        if (first === null) return null
        const newest = await this.newest(first).catch(() => new Map<number, number>()) // BigQuery may be the one that is away
        for (const p of of) if (newest.has(p) && !delays.has(p)) delays.set(p, performance.now() - sinceMs)
        return of.every(p => delays.has(p)) ? true : null
      },
      patienceMs,
    )
    return delays
  }

  /** The newest id of each partition that has rows from `fromId` on. */
  async newest(fromId: number): Promise<ReadonlyMap<number, number>> {
    const rows = await this.stage.sql(
      `SELECT MOD(id, ${this.flow.partitions}) AS p, MAX(id) FROM ${sqlName(this.table)} ` +
        `WHERE id >= ${fromId} AND id < ${ABORTED_FROM} GROUP BY p`,
    )
    return new Map(rows.map(([partition, id]) => [Number(partition), Number(id)]))
  }

  /** Rows sent after this moment have arrived, from every partition; answers how long that took. */
  async untilFresh(of?: readonly number[]): Promise<number> {
    const since = performance.now()
    await this.delays(since, of)
    return performance.now() - since
  }

  /** The load rests, and everything that was sent has its row or letter. */
  async untilDrained(): Promise<void> {
    await this.flow.hold()
    const { committed, poison } = this.flow.ledger
    await this.stage.untilRows(this.table, committed.size)
    await this.stage.until(`${poison.size} dead letters`, async () =>
      (await countOffsets(this.stage, this.deadLetterTopic)) >= poison.size ? true : null,
    )
  }

  /** Notes how long those partitions took to deliver since a worker was lost. */
  async untilTakenOver(sinceMs: number, partitions: readonly number[]): Promise<void> {
    this.takeoverMs.push(...(await this.delays(sinceMs, partitions)).values())
  }

  /** Notes how long all of it took to go on since the fault was over. */
  async untilRecovered(sinceMs: number): Promise<void> {
    this.recoveryMs = Math.max(...(await this.delays(sinceMs)).values())
  }

  /** The longest that an acknowledged record waited for its row, while `during` lasts. */
  async longestWait(during: () => Promise<unknown>): Promise<number> {
    let longestMs = 0
    let isOver = false
    const watch = async (): Promise<void> => {
      while (!isOver) {
        const newest = await this.newest(0).catch(() => null)
        for (const p of newest === null ? [] : this.#everyPartition()) {
          const next = (newest?.get(p) ?? p - this.flow.partitions) + this.flow.partitions
          const sinceMs = this.flow.acknowledgedAt(next)
          if (sinceMs !== null) longestMs = Math.max(longestMs, performance.now() - sinceMs)
        }
        await sleep(POLL_MS)
      }
    }
    const watching = watch()
    try {
      await during()
    } finally {
      isOver = true
      await watching
    }
    return longestMs
  }

  // ── who works ──

  async partitions(): Promise<readonly PartitionShape[]> {
    return await this.stage.partitions(this.name)
  }
  /** Partitions of a seat's worker, once it has some. */
  async owned(seat: Seat): Promise<readonly number[]> {
    return await this.stage.until(`${seat.name} owns partitions of ${this.name}`, async () => {
      const mine = (await this.partitions()).filter(p => p.worker === seat.workerId)
      return mine.length > 0 ? mine.map(p => p.partition) : null
    })
  }
  /** A running worker with partitions, the leader of the cluster only if asked for. */
  async victim(isLeader: boolean = false): Promise<Seat> {
    const leader = await this.stage.leader()
    if (isLeader) return leader
    const seat = this.stage.running.find(each => each !== leader)
    assert.ok(seat !== undefined, 'a worker that does not lead')
    return seat
  }
  async takeovers(): Promise<number> {
    return (await this.partitions()).reduce((sum, p) => sum + p.takeovers, 0)
  }
  async epochs(): Promise<readonly number[]> {
    return (await this.partitions()).map(p => p.epoch)
  }
  /** Epochs, once every partition is at work and known to be: after Redis forgot them it takes a report of each worker. */
  async untilKnown(): Promise<readonly number[]> {
    return (await this.stage.untilRunning(this.name, this.flow.partitions)).map(p => p.epoch)
  }
  /** How each of these partitions failed with that code, once every one has: it is claimed anew now and then, and fails again. */
  async untilFailed(partitions: readonly number[], code: string): Promise<readonly PartitionShape[]> {
    const failed = new Map<number, PartitionShape>()
    await this.stage.until(`partitions ${partitions} are FAILED: ${code}`, async () => {
      for (const p of await this.partitions())
        if (p.state === 'FAILED' && p.trace?.includes(code) === true) failed.set(p.partition, p)
      return partitions.every(p => failed.has(p)) ? true : null
    })
    return [...failed.values()]
  }
  /** Every worker has its share, and it stays so for a while: nothing is being moved any more. */
  async untilSettled(quietMs: number = 2_000): Promise<void> {
    let [known, sinceMs] = ['', performance.now()]
    await this.stage.until('nothing is moved any more', async () => {
      const shown = await this.stage.untilRunning(this.name, this.flow.partitions)
      const owners = new Set(shown.map(p => p.worker))
      const now = shown.map(p => `${p.worker}/${p.epoch}`).join(' ')
      if (now !== known || owners.size < Math.min(this.stage.running.length, this.flow.partitions))
        [known, sinceMs] = [now, performance.now()]
      return performance.now() - sinceMs > quietMs ? true : null
    })
  }
  /** How many of these partitions are held by a claim that recovered what a dead one left, once one is. */
  async untilRecoveries(partitions: readonly number[]): Promise<number> {
    return await this.stage.until('a takeover is counted', async () => {
      const held = (await this.partitions()).filter(p => partitions.includes(p.partition) && p.takeovers > 0)
      return held.length > 0 ? held.length : null
    })
  }
  /** Lines of the logs of all workers that say so. */
  countLogs(sentence: string): number {
    return this.stage.logs().split(sentence).length - 1
  }

  #everyPartition(): number[] {
    return Array.from({ length: this.flow.partitions }, (_, p) => p)
  }
}
