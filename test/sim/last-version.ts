// A process of the version before this one on the same journal: it knows records up to format 2, so of lost offsets it neither
// writes nor reads anything. What is newer ends its work on the key space, as core's codec and the follower have it.
import {
  encodeRecord,
  type JournalLog,
  type JournalRecord,
  type KeySpace,
  type KeySpaceState,
  MillraceError,
} from '@millrace/core'
import type { Stores } from './stores.ts'

const NEWEST_KNOWN = 2

/** @param misreads it passes over what it does not know, which no version does. */
export function ofLastVersion(journal: JournalLog, { chance }: Stores, misreads: boolean): JournalLog {
  const read = (space: KeySpace, state: KeySpaceState): KeySpaceState => {
    const groups = [state.intents, state.settled, state.releases]
    const isNewer = groups.some(group => [...group.values()].some(record => isUnknown(space, record)))
    if (!isNewer) return state
    chance.hit('oldVersion')
    if (!misreads) throw unsafe()
    const known = <R extends JournalRecord>(records: ReadonlyMap<string, R>): ReadonlyMap<string, R> =>
      new Map([...records].map(([key, record]) => [key, withoutLoss(record)]))
    return { ...state, intents: known(state.intents), settled: known(state.settled), releases: known(state.releases) }
  }
  return {
    append: (space, records) => journal.append(space, records.map(withoutLoss)),
    readToEnd: async (space, options) => read(space, await journal.readToEnd(space, options)),
    delete: (space, keys) => journal.delete(space, keys),
    peek: space => journal.peek(space),
  }
}

const isUnknown = (space: KeySpace, record: JournalRecord): boolean =>
  Number(encodeRecord(space, record).format) > NEWEST_KNOWN

function withoutLoss<R extends JournalRecord>(record: R): R {
  if (!('progress' in record) || record.progress === null) return record
  const { lost: _, ...progress } = record.progress
  if (record.kind !== 'intent') return { ...record, progress }
  return { ...record, progress, window: record.window.map(({ lost: _, ...batch }) => batch) }
}

const unsafe = (): MillraceError =>
  new MillraceError(
    'JOURNAL_TOPIC_UNSAFE',
    'failPartition',
    'A newer Millrace wrote it, so this worker is to be upgraded. The topic is not written to.',
  )
