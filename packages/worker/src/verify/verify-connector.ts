// Compares what a connector says it has settled with its topics and its tables. Reads only, and only what lies below the positions
// it took first: safe beside running workers. With `kafkaDataFieldName` record by record, else by counts.
//
// The table sums up its rows by bucket of offsets, the topic is summed up the same way while it is read once; only buckets that
// differ are looked at offset by offset. So memory and answers stay small whatever the table holds.
import type { ConnectorConfig } from '@millrace/config'
import { compileValueConverter } from '@millrace/convert'
import {
  type ConnectorEntry,
  type DeadLetterQueue,
  type DeadLetters,
  describeOffsets,
  formatTopicPartition,
  type GroupOffsets,
  inspectKeySpace,
  intersect,
  type JournalLog,
  type KafkaOffset,
  type KeySpaceView,
  kafkaOffset,
  type OriginRange,
  type OriginSums,
  type PartitionReceipt,
  parseTableName,
  type RecordSource,
  type RowOrigins,
  type TableName,
  type Tables,
  type Timers,
  type TopicPartition,
  type VerifyProgress,
  type VerifyReceipt,
  type VerifyVerdict,
  worstVerdict,
} from '@millrace/core'
import { BucketSums, bucketRange } from './bucket-sums.ts'
import { forEachRecord, RecordJudge } from './source-records.ts'

export type VerifyDeps = {
  readonly journal: Pick<JournalLog, 'readToEnd'>
  /** Of its own: its budget is not that of the partitions that run. */
  readonly source: RecordSource
  readonly groupOffsets: Pick<GroupOffsets, 'committed'>
  readonly deadLetters: Pick<DeadLetters, 'find'>
  readonly tables: Pick<Tables, 'get'>
  readonly origins: RowOrigins
  /** What is settled, by whoever knows it best; partitions without a position are absent. */
  positions(options: {
    signal: AbortSignal
  }): Promise<readonly { readonly tp: TopicPartition; readonly nextKafkaOffset: KafkaOffset }[]>
  /** Whether the log of the topic loses records to compaction. */
  isCompacted(topic: string, options: { signal: AbortSignal }): Promise<boolean>
  /** Whether its owner waits for a verdict. */
  isInDoubt(tp: TopicPartition): boolean
  readonly timers: Timers
}

export type VerifyRequest = {
  readonly entry: ConnectorEntry
  readonly config: ConnectorConfig
  /** As converters read it. */
  readonly settings: Readonly<Record<string, string>>
  readonly queue: DeadLetterQueue | null
  /** Where each partition began, as far as anything says so. */
  readonly starts: ReadonlyMap<string, KafkaOffset>
  readonly onProgress: (progress: VerifyProgress) => void
}

/** Looked at offset by offset; more that differ are counted only. */
const DETAILED_BUCKETS_MAX = 256
/** Asked for in one query: 16 × 8,192 offsets. */
const DETAILED_AT_ONCE = 16
const EXAMPLES_MAX = 10
/** Looked for among the dead letters. */
const UNEXPLAINED_MAX = 100_000

type Subject = {
  readonly tp: TopicPartition
  readonly table: TableName
  readonly from: KafkaOffset
  readonly to: KafkaOffset
  readonly logEnd: KafkaOffset
  readonly groupOffset: KafkaOffset | null
  readonly view: KeySpaceView
}
type Tally = {
  records: number
  tombstones: number
  filtered: number
  bad: KafkaOffset[]
  badCount: number
  rows: number
}

/** Rejects what keeps it from comparing at all: TABLE_SCHEMA_UNSUPPORTED, BIGQUERY_PERMISSION_DENIED, SOURCE_OFFSET_LOST, … */
export async function verifyConnector(
  request: VerifyRequest,
  deps: VerifyDeps,
  { signal }: { signal: AbortSignal },
): Promise<VerifyReceipt> {
  const run = new Verification(request, deps, signal)
  return await run.run()
}

class Verification {
  readonly #request: VerifyRequest
  readonly #deps: VerifyDeps
  readonly #signal: AbortSignal
  #progress: VerifyProgress = { stage: 'reading positions', partitions: 0, partitionsRead: 0, recordsRead: 0 }

  constructor(request: VerifyRequest, deps: VerifyDeps, signal: AbortSignal) {
    this.#request = request
    this.#deps = deps
    this.#signal = signal
  }

  async run(): Promise<VerifyReceipt> {
    const subjects = await this.#takePositions()
    this.#tell({ partitions: subjects.length })
    const byTable = Map.groupBy(subjects, ({ table }) => table)
    const receipts: PartitionReceipt[] = []
    for (const [table, of] of byTable) receipts.push(...(await this.#verifyTable(table, of)))
    const verdict = receipts.length === 0 ? 'CANNOT_TELL' : worstVerdict(receipts.map(each => each.verdict))
    const reasons = receipts.length === 0 ? ['Nothing is settled yet: no partition of it has a position.'] : []
    return { verdict, reasons, partitions: receipts }
  }

  #tell(change: Partial<VerifyProgress>): void {
    this.#progress = { ...this.#progress, ...change }
    this.#request.onProgress(this.#progress)
  }

  /** Positions first: what is below them stays as it is, whatever the connector does meanwhile. */
  async #takePositions(): Promise<readonly Subject[]> {
    const { entry, config, starts } = this.#request
    const { journal, source, groupOffsets } = this.#deps
    const options = { signal: this.#signal }
    const positions = await this.#deps.positions(options)
    const tps = positions.map(({ tp }) => tp)
    if (tps.length === 0) return []
    const [logStarts, logEnds, committed] = await Promise.all([
      source.offsets(tps, 'earliest', options),
      source.offsets(tps, 'latest', options),
      groupOffsets.committed(config.consumer.groupId, tps, options),
    ])
    return await Promise.all(
      positions.map(async ({ tp, nextKafkaOffset }) => {
        const name = formatTopicPartition(tp)
        const view = inspectKeySpace(await journal.readToEnd({ ...tp, incarnation: entry.incarnation }, options))
        const logStart = logStarts.get(name) ?? kafkaOffset(0)
        const start = starts.get(name) ?? logStart
        const from = later(start, logStart)
        return {
          tp,
          table: config.tableFor(tp.topic),
          from,
          to: later(nextKafkaOffset, from),
          logEnd: logEnds.get(name) ?? nextKafkaOffset,
          groupOffset: committed.get(name) ?? null,
          view,
        }
      }),
    )
  }

  async #verifyTable(table: TableName, subjects: readonly Subject[]): Promise<readonly PartitionReceipt[]> {
    const info = await this.#deps.tables.get(table, { signal: this.#signal })
    if (info === null)
      return subjects.map(subject => this.#receipt(subject, { reasons: [`${sqlName(table)} does not exist.`] }))
    const { settings, config } = this.#request
    const judgeOf = (topic: string): RecordJudge =>
      new RecordJudge(compileValueConverter(settings, info.schema, topic), config.errors.tolerance === 'all')
    const column = config.kafkaDataFieldName
    return column === null
      ? await this.#verifyByCount(table, subjects, judgeOf)
      : await this.#verifyByOrigin(table, column, subjects, judgeOf)
  }

  // ── record by record ──

  async #verifyByOrigin(
    table: TableName,
    column: string,
    subjects: readonly Subject[],
    judgeOf: (topic: string) => RecordJudge,
  ): Promise<readonly PartitionReceipt[]> {
    this.#tell({ stage: `summing up ${sqlName(table)}` })
    const options = { signal: this.#signal }
    const { origins } = this.#deps
    const found = byPartition(await origins.sums(table, column, subjects.map(rangeOf), options))
    const older = byPartition(await origins.sums(table, column, subjects.flatMap(olderRange), options))
    const receipts: PartitionReceipt[] = []
    for (const subject of subjects) {
      const name = formatTopicPartition(subject.tp)
      const judge = judgeOf(subject.tp.topic)
      this.#tell({ stage: `reading ${name}` })
      const expected = new BucketSums()
      const tally = await this.#read(subject, judge, offset => expected.add(offset))
      const there = found.get(name) ?? []
      const differing = expected.differingFrom(there).filter(this.#isOurs(subject, there))
      const detail = await this.#detail(table, column, subject, judge, differing)
      const letters = await this.#findLetters(subject.tp, [...detail.missing, ...tally.bad])
      receipts.push(await this.#judge(subject, tally, there, older.get(name) ?? [], detail, letters))
      this.#tell({ partitionsRead: this.#progress.partitionsRead + 1 })
    }
    return receipts
  }

  #isStartOpen(tp: TopicPartition): boolean {
    const { config, starts } = this.#request
    return config.consumer.autoOffsetReset === 'latest' && !starts.has(formatTopicPartition(tp))
  }

  /** auto.offset.reset=latest: it began somewhere, which its first row says as well as anything. */
  #isOurs({ tp }: Subject, there: readonly OriginSums[]): (bucket: number) => boolean {
    if (!this.#isStartOpen(tp)) return () => true
    const first = there.reduce((least, { bucket }) => Math.min(least, bucket), Number.POSITIVE_INFINITY)
    return bucket => bucket >= first
  }

  async #read(subject: Subject, judge: RecordJudge, onRow: (offset: KafkaOffset) => void): Promise<Tally> {
    const tally: Tally = { records: 0, tombstones: 0, filtered: 0, bad: [], badCount: 0, rows: 0 }
    const onSlice = (records: number): void => this.#tell({ recordsRead: this.#progress.recordsRead + records })
    const options = { timers: this.#deps.timers, signal: this.#signal, onSlice }
    await forEachRecord(
      this.#deps.source,
      rangeOf(subject),
      (slice, i, offset) => {
        tally.records++
        const fate = judge.fateOf(slice, i)
        if (fate === 'tombstone') tally.tombstones++
        else if (fate === 'filtered') tally.filtered++
        else if (fate === 'bad') {
          tally.badCount++
          if (tally.bad.length < UNEXPLAINED_MAX) tally.bad.push(offset)
        } else {
          tally.rows++
          onRow(offset)
        }
      },
      options,
    )
    return tally
  }

  /** Offset by offset where a bucket differs. */
  async #detail(
    table: TableName,
    column: string,
    subject: Subject,
    judge: RecordJudge,
    buckets: readonly number[],
  ): Promise<Detail> {
    const detail: Detail = {
      missing: [],
      doubled: few(),
      unexpected: few(),
      notInLog: few(),
      lowest: null,
      isCut: false,
    }
    if (buckets.length > 0) this.#tell({ stage: `comparing ${formatTopicPartition(subject.tp)} offset by offset` })
    detail.isCut = buckets.length > DETAILED_BUCKETS_MAX
    for (let at = 0; at < Math.min(buckets.length, DETAILED_BUCKETS_MAX); at += DETAILED_AT_ONCE) {
      const ranges = buckets
        .slice(at, Math.min(at + DETAILED_AT_ONCE, DETAILED_BUCKETS_MAX))
        .map(bucket => ({ tp: subject.tp, ...bucketRange(bucket, subject.from, subject.to) }))
      const rows = new Map<KafkaOffset, number>()
      for (const each of await this.#deps.origins.counts(table, column, ranges, { signal: this.#signal })) {
        rows.set(each.kafkaOffset, each.rows)
        if (detail.lowest === null || each.kafkaOffset < detail.lowest) detail.lowest = each.kafkaOffset
        if (each.rows > 1) note(detail.doubled, each.kafkaOffset)
      }
      for (const range of ranges) await this.#compareRange(range, rows, judge, detail)
      for (const offset of rows.keys()) note(detail.notInLog, offset)
      if (detail.missing.length <= UNEXPLAINED_MAX) continue
      detail.isCut = true
      break
    }
    return detail
  }

  /** Takes out of `rows` what the log holds a record for. */
  async #compareRange(
    range: OriginRange,
    rows: Map<KafkaOffset, number>,
    judge: RecordJudge,
    detail: Detail,
  ): Promise<void> {
    await forEachRecord(
      this.#deps.source,
      range,
      (slice, i, offset) => {
        const count = rows.get(offset) ?? 0
        rows.delete(offset)
        const isRow = judge.fateOf(slice, i) === 'row'
        if (isRow && count === 0) detail.missing.push(offset)
        if (!isRow && count > 0) note(detail.unexpected, offset)
      },
      { timers: this.#deps.timers, signal: this.#signal },
    )
  }

  async #findLetters(tp: TopicPartition, offsets: readonly KafkaOffset[]): Promise<ReadonlySet<KafkaOffset>> {
    const { queue } = this.#request
    if (queue === null || offsets.length === 0) return new Set()
    this.#tell({ stage: `looking through ${queue.topic}` })
    return await this.#deps.deadLetters.find(queue, tp, offsets.slice(0, UNEXPLAINED_MAX), { signal: this.#signal })
  }

  async #judge(
    subject: Subject,
    tally: Tally,
    there: readonly OriginSums[],
    older: readonly OriginSums[],
    detail: Detail,
    letters: ReadonlySet<KafkaOffset>,
  ): Promise<PartitionReceipt> {
    const { tp } = subject
    const name = formatTopicPartition(tp)
    const rows = sumOf(there, each => each.rows)
    const olderRows = sumOf(older, each => each.rows)
    const first = this.#isStartOpen(tp) ? (detail.lowest ?? subject.from) : subject.from
    const missing = detail.missing.filter(offset => offset >= first && !letters.has(offset))
    const [doubled, olderDoubled] = [rows - sumOf(there, distinctOf), olderRows - sumOf(older, distinctOf)]
    const isCompacted = detail.notInLog.count > 0 && (await this.#deps.isCompacted(tp.topic, { signal: this.#signal }))
    const uncommitted = isCompacted ? few() : detail.notInLog
    const unfound = tally.badCount - tally.bad.filter(offset => letters.has(offset)).length
    const examples = [
      ...missing.slice(0, EXAMPLES_MAX).map(offset => `${name}@${offset} is missing`),
      ...detail.doubled.first.map(offset => `${name}@${offset} is there more than once`),
      ...uncommitted.first.map(offset => `${name}@${offset} is there, but was never committed`),
      ...detail.unexpected.first.map(offset => `${name}@${offset} is there, but would be dropped now`),
    ]
    const told: readonly (readonly [isSo: boolean, reason: string])[] = [
      [
        missing.length > 0,
        `${missing.length} records have neither a row nor a dead letter. ${this.#excuses(subject, missing)}`,
      ],
      [doubled > 0, `${doubled} rows are of records that have one already. ${MOVED}`],
      [uncommitted.count > 0, `${uncommitted.count} rows are of offsets where the log has no committed record.`],
      [isCompacted, `${detail.notInLog.count} rows are of records that compaction has removed from the topic since.`],
      [
        detail.unexpected.count > 0,
        `${detail.unexpected.count} rows are of records that would be none by config and table as they are now.`,
      ],
      [olderDoubled > 0, `Below ${subject.from} ${olderDoubled} rows are of records that have one already. ${MOVED}`],
      [
        olderRows > 0,
        `${olderRows} rows are of records below ${subject.from}, which the log does not hold any more: whether any is missing there cannot be told.`,
      ],
      [unfound > 0, `${unfound} records do not convert, and have no dead letter: errors.tolerance=all drops them.`],
      [detail.isCut, 'So much differs that not all of it was looked at.'],
    ]
    const isDifferent = missing.length > 0 || doubled > 0 || uncommitted.count > 0 || olderDoubled > 0
    return this.#receipt(subject, {
      verdict: isDifferent ? 'DIFFERENT' : detail.isCut ? 'CANNOT_TELL' : 'VERIFIED',
      reasons: told.filter(([isSo]) => isSo).map(([, reason]) => reason),
      tally,
      deadLetters: letters.size,
      dropped: unfound,
      rows,
      missing: missing.length,
      doubled: doubled + olderDoubled,
      unexpected: detail.unexpected.count + uncommitted.count,
      olderRows,
      examples,
    })
  }

  #excuses({ tp, from }: Subject, missing: readonly KafkaOffset[]): string {
    const { entry, starts } = this.#request
    const mayBeStart = missing[0] === from && !starts.has(formatTopicPartition(tp))
    return [
      'Whoever deletes rows, or has the table’s partitions expire, makes them so.',
      ...(entry.configGeneration > 1 ? ['Its config has changed: an earlier filter may have dropped them.'] : []),
      ...(mayBeStart
        ? ['Nothing says where the connector began: offsets it took over from its group are none of its.']
        : []),
    ].join(' ')
  }

  // ── by counts ──

  async #verifyByCount(
    table: TableName,
    subjects: readonly Subject[],
    judgeOf: (topic: string) => RecordJudge,
  ): Promise<readonly PartitionReceipt[]> {
    const tallies: Tally[] = []
    for (const subject of subjects) {
      this.#tell({ stage: `reading ${formatTopicPartition(subject.tp)}` })
      tallies.push(await this.#read(subject, judgeOf(subject.tp.topic), () => {}))
      this.#tell({ partitionsRead: this.#progress.partitionsRead + 1 })
    }
    this.#tell({ stage: `counting ${sqlName(table)}` })
    const rows = await this.#deps.origins.rowCount(table, { signal: this.#signal })
    const expected = sumOf(tallies, each => each.rows)
    const after = new Map(
      (await this.#deps.positions({ signal: this.#signal })).map(p => [formatTopicPartition(p.tp), p.nextKafkaOffset]),
    )
    const counted = `${sqlName(table)} has ${rows} rows; ${expected} records below the positions should be rows.`
    const reasons = [
      counted,
      ...(subjects.every(each => after.get(formatTopicPartition(each.tp)) === each.to && each.to >= each.logEnd)
        ? []
        : [
            'Records are still being delivered, or follow: counts agree only when nothing moves. Pause the producers, or set kafkaDataFieldName.',
          ]),
      ...(subjects.every(each => each.from === 0n)
        ? []
        : ['The log does not hold every record from the first one on.']),
    ]
    const isSound = reasons.length === 1
    // With dead letters of BigQuery's own refusals, fewer rows than records are right as well.
    const mayBeFewer = this.#request.config.errors.tolerance === 'all' && rows < expected
    if (mayBeFewer)
      reasons.push('Rows that BigQuery itself refused became dead letters, which counts cannot tell from losses.')
    const verdict: VerifyVerdict =
      !isSound || mayBeFewer ? 'CANNOT_TELL' : rows === expected ? 'VERIFIED_BY_COUNT' : 'DIFFERENT'
    const advice =
      'Without kafkaDataFieldName nothing says which record a row came from: a loss and a double would cancel out.'
    const letters = await Promise.all(subjects.map((each, i) => this.#findLetters(each.tp, tallies[i]?.bad ?? [])))
    return subjects.map((subject, i) =>
      this.#receipt(subject, {
        verdict,
        reasons: [...reasons, advice],
        ...(tallies[i] !== undefined && { tally: tallies[i] }),
        deadLetters: letters[i]?.size ?? 0,
        dropped: (tallies[i]?.badCount ?? 0) - (letters[i]?.size ?? 0),
      }),
    )
  }

  // ── the receipt ──

  #receipt(subject: Subject, result: Result): PartitionReceipt {
    const { tp, table, from, to, logEnd, groupOffset, view } = subject
    const { tally } = result
    const isInDoubt = this.#deps.isInDoubt(tp)
    const lost = view.progress?.lost ?? []
    const lostHere = intersect(lost, [{ from: kafkaOffset(0), to }])
    const reasons = [
      ...(isInDoubt
        ? ['It is IN_DOUBT and waits for an operator: status, or `millrace journal inspect`, names the choices.']
        : []),
      ...result.reasons,
      ...(lostHere.length > 0
        ? [
            `Offsets ${describeOffsets(lostHere)} were gone from the topic before they were delivered: offset.lost.policy=skip.`,
          ]
        : []),
      ...(groupOffset !== null && groupOffset > to
        ? [`The consumer group is at ${groupOffset}, which is beyond what is settled: somebody else moved it.`]
        : []),
    ]
    const verdict = result.verdict ?? 'CANNOT_TELL'
    return {
      ...tp,
      table,
      verdict: isInDoubt ? worstVerdict([verdict, 'IN_DOUBT']) : verdict,
      reasons,
      from,
      to,
      logEnd,
      groupOffset,
      records: tally?.records ?? 0,
      tombstones: tally?.tombstones ?? 0,
      filtered: tally?.filtered ?? 0,
      deadLetters: result.deadLetters ?? 0,
      dropped: result.dropped ?? 0,
      lost: lostHere,
      rows: result.rows ?? null,
      missing: result.missing ?? 0,
      doubled: result.doubled ?? 0,
      unexpected: result.unexpected ?? 0,
      olderRows: result.olderRows ?? null,
      examples: result.examples ?? [],
      streams: view.streams.map(({ stream, release }) => ({ stream, releasedAtRow: release?.row ?? null })),
    }
  }
}

/** How many, and the first of them. */
type Few = { count: number; readonly first: KafkaOffset[] }
const few = (): Few => ({ count: 0, first: [] })
function note(list: Few, offset: KafkaOffset): void {
  list.count++
  if (list.first.length < EXAMPLES_MAX) list.first.push(offset)
}

const MOVED = 'A position that was moved back (PATCH of offsets) delivers again.'

type Detail = {
  readonly missing: KafkaOffset[]
  readonly doubled: Few
  /** Rows of records that should be none. */
  readonly unexpected: Few
  readonly notInLog: Few
  /** Lowest offset seen that has a row. */
  lowest: KafkaOffset | null
  isCut: boolean
}
type Result = Partial<Omit<PartitionReceipt, 'reasons'>> & {
  readonly reasons: readonly string[]
  readonly tally?: Tally
}

const later = (a: KafkaOffset, b: KafkaOffset): KafkaOffset => (a < b ? b : a)
const rangeOf = ({ tp, from, to }: Subject): OriginRange => ({ tp, from, to })
const olderRange = ({ tp, from }: Subject): readonly OriginRange[] =>
  from > 0n ? [{ tp, from: kafkaOffset(0), to: from }] : []

const byPartition = (sums: readonly OriginSums[]): ReadonlyMap<string, readonly OriginSums[]> =>
  Map.groupBy(sums, ({ tp }) => formatTopicPartition(tp))

const distinctOf = ({ distinct }: OriginSums): number => distinct
const sumOf = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((sum, item) => sum + of(item), 0)

function sqlName(table: TableName): string {
  const { project, dataset, table: name } = parseTableName(table)
  return `${project}.${dataset}.${name}`
}
