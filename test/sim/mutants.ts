// Known ways to get the protocol wrong, each as a wrapper around the ports of every process: the code under test stays as it is and
// is lied to, or its words are changed on the way out. The simulator must find every one of them; one that survives means it is blind there.
import {
  type AppendListener,
  type DeadLetters,
  headClaim,
  isMillraceError,
  type JournalLog,
  type JournalRecord,
  type KafkaOffset,
  type KeySpace,
  type KeySpaceState,
  type PartitionReader,
  type Progress,
  type RecordSlice,
  type StreamOffset,
  streamOffset,
  type TopicPartition,
  type WriteStreams,
} from '@millrace/core'
import type { BigQueryTwin, SourceTopicsTwin } from '@millrace/testkit'
import type { LostOffsetsAudit } from '@millrace/worker'
import type { Less } from './plan.ts'

export type Mutant = {
  readonly about: string
  /** Where chance alone would take thousands of seeds: the kind of trouble it shows in. */
  readonly focus?: NonNullable<Less['focus']>
  readonly journal?: (journal: JournalLog) => JournalLog
  readonly streams?: (streams: WriteStreams, bigQuery: BigQueryTwin) => WriteStreams
  readonly deadLetters?: (letters: DeadLetters) => DeadLetters
  readonly audit?: (audit: LostOffsetsAudit) => LostOffsetsAudit
  readonly reader?: (
    open: (position: KafkaOffset) => PartitionReader,
    position: KafkaOffset,
    topics: SourceTopicsTwin,
    tp: TopicPartition,
  ) => PartitionReader
  /** Processes of the last version pass over records that are newer than they. */
  readonly misreadsNewer?: true
}

/** Head checks that follow a record of these kinds find the own Claim as head, whatever the journal says. */
const blindAfter = (...kinds: readonly JournalRecord['kind'][]): NonNullable<Mutant['journal']> => {
  return journal => {
    const lastOf = new Map<string, JournalRecord>()
    return {
      ...through(journal),
      append: async (space, records) => {
        const last = records.at(-1)
        if (last !== undefined) lastOf.set(nameOf(space), last)
        await journal.append(space, records)
      },
      readToEnd: async (space, options) => {
        const last = lastOf.get(nameOf(space))
        const state = await journal.readToEnd(space, options)
        if (last === undefined || !kinds.includes(last.kind) || !('claimId' in last)) return state
        return withoutClaimsAbove(state, last.claimId)
      },
    }
  }
}

/** What `readToEnd` answers is changed; the log stays as it is. */
const reading =
  (change: (state: KeySpaceState) => KeySpaceState): NonNullable<Mutant['journal']> =>
  journal => ({
    ...through(journal),
    readToEnd: async (space, options) => change(await journal.readToEnd(space, options)),
  })

/** Records are changed, or left out (null), on their way to the journal. */
const writing =
  (change: (record: JournalRecord) => JournalRecord | null): NonNullable<Mutant['journal']> =>
  journal => ({
    ...through(journal),
    append: async (space, records) => {
      const changed = records.map(change).filter(record => record !== null)
      if (changed.length > 0) await journal.append(space, changed)
    },
  })

/** Answers of append connections are changed. */
const hearing =
  (
    change: (listener: AppendListener, sent: ReadonlyMap<number, bigint>) => AppendListener,
  ): NonNullable<Mutant['streams']> =>
  streams => ({
    create: (table, options) => streams.create(table, options),
    exists: (stream, options) => streams.exists(stream, options),
    finalize: (stream, options) => streams.finalize(stream, options),
    connect: (stream, schema, listener) => {
      const sent = new Map<number, bigint>()
      const connection = streams.connect(stream, schema, change(listener, sent))
      return {
        send: request => {
          sent.set(request.id, request.firstRow)
          connection.send(request)
        },
        get inFlightBytes() {
          return connection.inFlightBytes
        },
        close: () => connection.close(),
      }
    },
  })

/** Two owners at once, most of the time. */
const CONTENDED: NonNullable<Less['focus']> = { isCluster: false, faults: new Set(['rival']), rate: 0.3 }

export const MUTANTS: Readonly<Record<string, Mutant>> = {
  noFinalize: {
    about: 'a takeover asks for the row count without finalizing the stream (H3)',
    streams: (streams, bigQuery) => ({
      create: (table, options) => streams.create(table, options),
      exists: (stream, options) => streams.exists(stream, options),
      finalize: async stream => streamOffset(bigQuery.rowCount(stream)),
      connect: (stream, schema, listener) => streams.connect(stream, schema, listener),
    }),
  },
  scanBeforeFinalize: {
    focus: { ...CONTENDED, flowMs: 20 },
    about: 'the journal is folded as it was before the streams were finalized (H2)',
    journal: journal => {
      const before = new Map<string, KeySpaceState>()
      const afterBarrier = new Set<string>()
      return {
        ...through(journal),
        append: async (space, records) => {
          if (records.some(record => record.kind === 'barrier')) afterBarrier.add(nameOf(space))
          await journal.append(space, records)
        },
        readToEnd: async (space, options) => {
          const name = nameOf(space)
          const state = await journal.readToEnd(space, options)
          const old = before.get(name)
          if (afterBarrier.delete(name) && old !== undefined) return { ...old, claims: state.claims }
          before.set(name, state)
          return state
        },
      }
    },
  },
  noHeadCheckOfTakeover: {
    focus: CONTENDED,
    about: 'a takeover goes on to its first row although another claim is the head (H4)',
    journal: blindAfter('claim', 'barrier', 'settled', 'open'),
  },
  noHeadCheckOfOpen: {
    focus: CONTENDED,
    about: 'a stream is used although a newer claim was there when it was opened (H8)',
    journal: blindAfter('open'),
  },
  noHeadCheckOfLetters: {
    focus: { ...CONTENDED, faults: new Set(['rival', 'unreadable', 'refused']), flowMs: 20 },
    about: 'dead letters are produced without looking for a newer claim (H6)',
    journal: blindAfter('intent'),
  },
  intentAfterAppend: {
    about: 'rows are sent before their Intent is acknowledged (H1)',
    journal: journal => ({
      ...through(journal),
      append: async (space, records) => {
        const written = journal.append(space, records)
        if (records.some(record => record.kind === 'intent')) written.catch(() => {})
        else await written
      },
    }),
  },
  intentNotStored: {
    about: 'every fourth Intent is acknowledged and not stored (seqReuse)',
    journal: journal => {
      let count = 0
      return writing(record => (record.kind === 'intent' && ++count % 4 === 0 ? null : record))(journal)
    },
  },
  unknownOutcomeIgnored: {
    focus: { ...CONTENDED, faults: new Set(['rival', 'journalLate', 'journalLost']) },
    about: 'a journal write that was rejected counts as written',
    journal: journal => ({
      ...through(journal),
      append: (space, records) => journal.append(space, records).catch(() => {}),
    }),
  },
  groupOffsetBelieved: {
    about: 'a claim starts where the group was committed, not where the journal says (H14)',
    journal: reading(state => ({ ...state, settled: new Map(), intents: new Map(), releases: new Map() })),
  },
  settledByPosition: {
    focus: { ...CONTENDED, faults: new Set(['rival', 'journalLate', 'killAtStep', 'rollingRestart']) },
    about: 'the base is the last Settled in the log, not the one of the highest epoch',
    journal: reading(state => {
      const last = [...state.settled].reduce(
        (a, b) => (b[1].journalOffset > a[1].journalOffset ? b : a),
        [...state.settled][0]!,
      )
      return state.settled.size < 2 ? state : { ...state, settled: new Map([last]) }
    }),
  },
  streamlessForgotten: {
    about: 'Intents of batches without a stream are not folded',
    focus: {
      faults: new Set(['filtered', 'configChange', 'killAtStep', 'kill', 'killAll']),
      oddShare: 0.95,
      partitions: 1,
    },
    journal: reading(state => ({
      ...state,
      intents: new Map([...state.intents].filter(([, intent]) => intent.stream !== null)),
    })),
  },
  releasesForgotten: {
    about: 'released streams are not known to be released at that row: adopted at the row of their Open',
    journal: reading(state => ({
      ...state,
      releases: new Map(
        [...state.releases].map(([key, release]) => {
          const open = state.opens.get(`open/${release.claimId}/${release.stream}`)
          return [key, open === undefined ? release : { ...release, row: open.row }]
        }),
      ),
    })),
  },
  frontierPastHole: {
    about: 'the frontier is committed past offsets that are not settled',
    journal: writing(record =>
      'progress' in record && record.progress !== null ? { ...record, progress: past(record.progress) } : record,
    ),
  },
  deletedTooEarly: {
    about: 'a claim deletes what is below it before its own Settled stands',
    journal: journal => ({
      ...through(journal),
      append: async (space, records) => {
        await journal.append(space, records)
        const claim = records.find(record => record.kind === 'claim')
        if (claim === undefined) return
        const state = journal.peek(space)
        await journal.delete(space, [...state.settled.keys(), ...state.intents.keys()])
      },
    }),
  },
  doneRangesForgotten: {
    about: 'Intents do not repeat what their claim has settled (H29)',
    journal: reading(state => ({
      ...state,
      intents: new Map(
        [...state.intents].map(([key, intent]) => [
          key,
          { ...intent, progress: { ...intent.progress, frontier: 0n as never, beyond: [] } },
        ]),
      ),
    })),
  },
  alreadyExistsBelieved: {
    focus: { faults: new Set(['wrongAnswer']), rate: 0.3 },
    about: 'OFFSET_ALREADY_EXISTS means done, also for a first copy (H33)',
    streams: hearing((listener, sent) => ({
      ...listening(listener),
      onRefused: (id, refusal) =>
        refusal.kind === 'alreadyExists'
          ? listener.onAcknowledged(id, streamOffset(sent.get(id) ?? 0n))
          : listener.onRefused(id, refusal),
    })),
  },
  wrongAckBelieved: {
    focus: { faults: new Set(['wrongAnswer']), rate: 0.3 },
    about: 'an acknowledgement of another offset is taken as the own (H34)',
    streams: hearing((listener, sent) => ({
      ...listening(listener),
      onAcknowledged: id => listener.onAcknowledged(id, streamOffset(sent.get(id) ?? 0n)),
    })),
  },
  finalizedIsDone: {
    about: 'STREAM_FINALIZED counts as written (H32)',
    streams: hearing((listener, sent) => ({
      ...listening(listener),
      onRefused: (id, refusal) =>
        refusal.kind === 'streamFinalized'
          ? listener.onAcknowledged(id, streamOffset(sent.get(id) ?? 0n))
          : listener.onRefused(id, refusal),
    })),
  },
  lettersNotRepeated: {
    focus: { faults: new Set(['killAtStep', 'unreadable']), rate: 0.1, oddShare: 0.4 },
    about: 'dead letters that were logged are not produced again on a takeover (H21)',
    deadLetters: letters => ({
      ensureTopic: (queue, options) => letters.ensureTopic(queue, options),
      find: (queue, tp, offsets, options) => letters.find(queue, tp, offsets, options),
      produce: async (queue, some, options) => {
        const first = some.filter(
          letter => letter.error.exceptionClass !== 'RECORD_NOT_CONVERTIBLE' || !letter.error.message.includes('again'),
        )
        if (first.length > 0) await letters.produce(queue, first, options)
      },
    }),
  },
  lettersUnacknowledged: {
    focus: { faults: new Set(['lettersLost', 'unreadable']), rate: 0.3, oddShare: 0.4 },
    about: 'a record is skipped although its dead letter was not acknowledged (row 51)',
    deadLetters: letters => ({
      ensureTopic: (queue, options) => letters.ensureTopic(queue, options),
      find: (queue, tp, offsets, options) => letters.find(queue, tp, offsets, options),
      produce: (queue, some, options) => letters.produce(queue, some, options).catch(() => {}),
    }),
  },
  goneIsEmpty: {
    about: 'a stream that is not found counts as one without rows (row 41)',
    focus: { isCluster: false, faults: new Set(['tableDropped', 'kill', 'killAtStep', 'appendReplyLost']), rate: 0.3 },
    streams: streams => ({
      ...throughStreams(streams),
      finalize: (stream, options) => streams.finalize(stream, options).catch(error => answerIfGone(error, 0n)),
    }),
  },
  goneIsWritten: {
    about: 'what was sent to a stream that is not found counts as written (row 41)',
    focus: { isCluster: false, faults: new Set(['tableDropped', 'appendLost', 'appendReplyLost']), rate: 0.3 },
    streams: hearing((listener, sent) => ({
      ...listening(listener),
      onRefused: (id, refusal) =>
        refusal.kind === 'streamNotFound'
          ? listener.onAcknowledged(id, streamOffset(sent.get(id) ?? 0n))
          : listener.onRefused(id, refusal),
    })),
  },
  fingerprintForgotten: {
    about: 'nobody looks whether the log still holds the record that was settled last (rows 22, 23)',
    focus: { isCluster: false, faults: new Set(['truncated', 'topicRecreated', 'kill']), flowMs: 20 },
    journal: reading(state => withProgress(state, progress => ({ ...progress, fingerprint: null }))),
  },
  lostForgotten: {
    about: 'a claim does not say any more what claims before it skipped (row 24)',
    focus: { isCluster: false, faults: new Set(['retention', 'kill']), skipsLost: true },
    journal: reading(state => withProgress(state, ({ lost: _, ...progress }) => progress)),
  },
  lossUnaudited: {
    about: 'lost offsets are skipped although their audit record was not acknowledged (row 24)',
    focus: { isCluster: false, faults: new Set(['retention', 'lettersLost']), rate: 0.3, skipsLost: true },
    audit: audit => (record, options) => audit(record, options).catch(() => {}),
  },
  silentReset: {
    about:
      'a reader whose position was deleted goes on at the beginning of the log, as if nothing were missing (row 24)',
    focus: { isCluster: false, faults: new Set(['retention']) },
    reader: (open, position, topics, tp) => {
      const beginning = (): KafkaOffset => topics.start(tp)
      const isDeleted = position < beginning()
      const reader = open(isDeleted ? beginning() : position)
      let isFirst = isDeleted
      return {
        read: async options => {
          const slices = await reader.read(options)
          if (!isFirst) return slices
          isFirst = false
          return slices.map((slice, i) => (i === 0 ? startingAt(slice, position) : slice))
        },
        get nextKafkaOffset() {
          return reader.nextKafkaOffset
        },
        get endKafkaOffset() {
          return reader.endKafkaOffset
        },
        get trouble() {
          return reader.trouble
        },
        close: () => reader.close(),
      }
    },
  },
  newerFormatMisread: {
    about: 'a process of the last version passes over records that it does not know (row 11)',
    focus: { isCluster: false, faults: new Set(['retention', 'oldVersion', 'rival']), rate: 0.1, skipsLost: true },
    misreadsNewer: true,
  },
}

/** As after compaction: nothing was between the position and the first record. */
const startingAt = (slice: RecordSlice, start: KafkaOffset): RecordSlice => ({
  ...slice,
  startKafkaOffset: start,
  offsetDelta: slice.offsetDelta.map(delta => delta + Number(slice.startKafkaOffset - start)),
})

function withProgress(state: KeySpaceState, change: (progress: Progress) => Progress): KeySpaceState {
  const changed = <R extends { readonly progress: Progress | null }>(records: ReadonlyMap<string, R>) =>
    new Map(
      [...records].map(([key, record]) => [
        key,
        record.progress === null ? record : { ...record, progress: change(record.progress) },
      ]),
    )
  const { intents, settled, releases } = state
  return { ...state, intents: changed(intents), settled: changed(settled), releases: changed(releases) }
}

function answerIfGone(error: unknown, rows: bigint): StreamOffset {
  if (!isMillraceError(error) || error.code !== 'STREAM_GONE') throw error
  return streamOffset(rows)
}

const throughStreams = (streams: WriteStreams): WriteStreams => ({
  create: (table, options) => streams.create(table, options),
  exists: (stream, options) => streams.exists(stream, options),
  finalize: (stream, options) => streams.finalize(stream, options),
  connect: (stream, schema, listener) => streams.connect(stream, schema, listener),
})

const nameOf = ({ incarnation, topic, partition }: KeySpace): string => `${incarnation}/${topic}/${partition}`

const through = (journal: JournalLog): JournalLog => ({
  append: (space, records) => journal.append(space, records),
  readToEnd: (space, options) => journal.readToEnd(space, options),
  delete: (space, keys) => journal.delete(space, keys),
  peek: space => journal.peek(space),
})

const listening = (listener: AppendListener): AppendListener => ({
  onAcknowledged: (id, offset) => listener.onAcknowledged(id, offset),
  onRefused: (id, refusal) => listener.onRefused(id, refusal),
  onBroken: error => listener.onBroken(error),
  onSchemaUpdated: () => listener.onSchemaUpdated(),
})

function withoutClaimsAbove(state: KeySpaceState, claimId: string): KeySpaceState {
  const own = state.claims.get(`claim/${claimId}`)
  if (own === undefined || headClaim(state)?.claimId === claimId) return state
  const claims = [...state.claims].filter(([, claim]) => claim.claimId === claimId || claim.epoch < own.epoch)
  return { ...state, claims: new Map(claims) }
}

function past(progress: Progress): Progress {
  const last = progress.beyond.at(-1)
  return last === undefined ? progress : { ...progress, frontier: last.to, beyond: [] }
}
