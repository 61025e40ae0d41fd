// The config log explored like the journal: all interleavings of a small scope, and mistakes that must not survive it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type ControlChange, type Incarnation, outcomeOf } from '../src/index.ts'
import { ConfigExplorer, lastOfEqualsWins, type Mutant, type Request, type Scope } from './config-explorer.ts'

const keyed = (change: ControlChange, key: string): Request => ({ change, requestKey: { key, request: 'r' } })
const create: ControlChange = {
  kind: 'create',
  name: 'a',
  config: { name: 'a' },
  targetState: 'STARTED',
  incarnation: 'inc' as Incarnation,
  journalId: 'j',
}
const restart: ControlChange = { kind: 'restart', name: 'a', connector: true, tasks: [] }
const remove: ControlChange = { kind: 'delete', name: 'a' }
const configure: ControlChange = { kind: 'configure', name: 'a', config: { name: 'a', x: '1' } }

/** The smallest first: a mistake is seen soon. */
const SCOPES: Readonly<Record<string, Scope>> = {
  'three writers': {
    before: [],
    requests: [[keyed(create, 'k')], [keyed(create, 'k')], [keyed(create, 'l')]],
    losses: 0,
    crashes: 0,
    compactions: 1,
  },
  'two workers, one of which crashes, and their clients': {
    before: [keyed(create, 'k')],
    requests: [[keyed(configure, 'l')], [keyed(restart, 'm')]],
    losses: 0,
    crashes: 2,
    compactions: 1,
  },
  'a request sent to two workers, two answers lost': {
    before: [keyed(create, 'k')],
    requests: [[keyed(restart, 'l')], [keyed(restart, 'l')]],
    losses: 2,
    crashes: 0,
    compactions: 1,
  },
  'a create that comes again after the delete': {
    before: [keyed(create, 'k')],
    requests: [[keyed(remove, 'l')], [keyed(create, 'k')]],
    losses: 2,
    crashes: 1,
    compactions: 1,
  },
}

describe('every interleaving of', () => {
  for (const [about, scope] of Object.entries(SCOPES))
    test(`${about}: all readers agree with the rule, and each request is carried out once`, t => {
      const worlds = new ConfigExplorer(scope).explore()
      t.diagnostic(`${worlds} worlds`)
      assert.ok(worlds > 500, `${worlds}`)
    })
})

describe('the explorer sees', () => {
  const MUTANTS: Readonly<Record<string, Mutant>> = {
    'a fold that lets the last of equals win': { fold: lastOfEqualsWins },
    'a writer that sends one write twice under one id': { sendsTheSameIdAgain: true },
    'a writer that takes any later version for its own': {
      outcome: (slot, version, ids) => {
        const outcome = outcomeOf(slot, version, ids)
        return outcome === 'lost' ? 'won' : outcome
      },
    },
    'a writer that looks for the mark of its request only before its first try': { looksForMarksOnce: true },
    'a writer that does not carry marks on': { forgetsMarks: true },
    'a writer that deletes the history': { deletesHistory: true },
  }
  for (const [about, mutant] of Object.entries(MUTANTS))
    test(about, () => {
      const survived = Object.values(SCOPES).every(scope => {
        try {
          return new ConfigExplorer(scope, mutant).explore() > 0
        } catch {
          return false
        }
      })
      assert.ok(!survived)
    })
})
