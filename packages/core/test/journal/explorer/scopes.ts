// The scopes: each small enough to be explored to the end, together every kind of trouble beside every other that matters.
import { SCOPE, type Scope } from './scope.ts'

const ROWS: Scope = { ...SCOPE, outcomes: ['row'] }

type Scopes = Readonly<Record<string, Scope>>

export const TAKEOVERS: Scopes = {
  'two records, any two outcomes': { ...SCOPE, records: 2 },
  'a broken connection: appends late or lost': { ...SCOPE, may: { claims: 2, breaks: 1 } },
  'rows, letters and drops': {
    ...SCOPE,
    outcomes: ['row', 'dead', 'drop'],
    idleSettled: true,
    may: { claims: 2, breaks: 1 },
  },
  'three workers': { ...SCOPE, workers: 3, may: { claims: 3 } },
  'adoption after Release, then two that want it, a broken connection': {
    ...SCOPE,
    hasHistory: true,
    records: 2,
    may: { claims: 3, breaks: 1 },
  },
  'letters and drops while nothing has a stream, three workers': {
    ...SCOPE,
    workers: 3,
    tables: 0,
    records: 1,
    outcomes: ['dead', 'drop'],
    idleSettled: true,
    may: { claims: 3 },
  },
  'answers heard later than they were given': { ...SCOPE, lateAnswers: true, may: { claims: 2, breaks: 1 } },
  'reads as stale as Kafka allows, three workers': {
    ...ROWS,
    workers: 3,
    staleReads: true,
    releases: false,
    may: { claims: 3 },
  },
  'stale reads after a Release': { ...SCOPE, hasHistory: true, staleReads: true, records: 2, may: { claims: 3 } },
  'compaction at any point': { ...SCOPE, lazyCompaction: true, may: { claims: 2, breaks: 1, compactions: 2 } },
}

export const LAYOUTS: Scopes = {
  'the first of two records refused by the table': { ...ROWS, records: 2, bad: 1 },
  'a refused row beside a successor, trouble of the service': {
    ...ROWS,
    records: 2,
    bad: 1,
    may: { claims: 2, refusals: 1 },
  },
  'refused rows, a broken connection, trouble of the service': {
    ...SCOPE,
    workers: 1,
    records: 2,
    bad: 1,
    may: { claims: 1, breaks: 1, refusals: 1 },
  },
  'batches of two rows, one of them refused': { ...ROWS, records: 2, batch: 2, window: 1, bad: 1, releases: false },
  'batches of a row and a letter, a refused row, trouble of the service': {
    ...SCOPE,
    workers: 1,
    records: 2,
    batch: 2,
    window: 1,
    bad: 1,
    may: { claims: 1, breaks: 1, refusals: 1 },
  },
  'the table changes': { ...ROWS, may: { claims: 2, tableChanges: 1, breaks: 1 } },
  'two tables, after a Release, a broken connection': {
    ...ROWS,
    hasHistory: true,
    tables: 2,
    records: 2,
    may: { claims: 3, breaks: 1 },
  },
  'retention takes a record, appends linger': {
    ...SCOPE,
    idleSettled: true,
    may: { claims: 2, breaks: 1, retentions: 1 },
  },
  'retention takes one of two records': { ...ROWS, records: 2, releases: false, may: { claims: 2, retentions: 1 } },
  'streams expire': { ...ROWS, idleSettled: true, may: { claims: 2, days: 1 } },
}

export const ENDS: Scopes = {
  'the incarnation is ended beside an owner, appends linger': {
    ...SCOPE,
    outcomes: ['row', 'dead', 'drop'],
    may: { claims: 1, deletions: 1, breaks: 1 },
  },
  'two end the incarnation, before the first claim or beside it': {
    ...ROWS,
    workers: 3,
    may: { claims: 1, deletions: 2 },
  },
  'the incarnation is ended between two that claim': {
    ...ROWS,
    workers: 2,
    releases: false,
    may: { claims: 2, deletions: 1 },
  },
  'the incarnation is ended between two records of any two outcomes': {
    ...SCOPE,
    records: 2,
    may: { claims: 1, deletions: 1 },
  },
}

export const MOVES: Scopes = {
  'the position is moved back beside two workers': { ...ROWS, workers: 3, alterations: [0] },
  'the position is moved back, appends linger': { ...ROWS, alterations: [0], may: { claims: 2, breaks: 1 } },
  'the position is moved back after a Release, beside two workers, a compaction': {
    ...ROWS,
    workers: 3,
    hasHistory: true,
    lazyCompaction: true,
    alterations: [0],
    may: { claims: 3, compactions: 1 },
  },
  'the position is moved past a record that may be a letter': { ...SCOPE, alterations: [1] },
  'two operators at once: forgotten, and moved': { ...ROWS, workers: 3, alterations: [null, 1], may: { claims: 1 } },
  'the position is moved between two records, a compaction at any point': {
    ...ROWS,
    records: 2,
    lazyCompaction: true,
    alterations: [1],
    may: { claims: 1, compactions: 1 },
  },
}
