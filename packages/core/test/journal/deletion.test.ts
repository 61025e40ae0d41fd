// The end of an incarnation beside owners that still want it and others that end it, too: every interleaving of their journal
// steps, with compaction at any point. What counts is judged on the whole history; what readers see is the compacted log.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  applyRecord,
  EMPTY_KEY_SPACE,
  headClaim,
  isDeleted,
  isHead,
  type JournalRecord,
  type KeySpaceState,
  keysBelow,
  recordKey,
} from '@millrace/core'
import { claimOf, deletedOf, settledOf } from './arbitrary-journal.ts'

type Entry = { readonly offset: number; readonly key: string; readonly record: JournalRecord | null }
/** What it does next; `read` steps judge, the others append. */
const STEPS = ['begin', 'claim', 'confirm', 'settle', 'confirmSettled', 'sweep', 'last', 'ended'] as const
type Step = (typeof STEPS)[number] | 'delivering'
type Actor = {
  readonly id: string
  readonly ends: boolean
  readonly step: Step
  readonly epoch: number
  readonly keys: readonly string[]
}
type World = {
  readonly history: readonly Entry[]
  readonly log: readonly Entry[]
  readonly actors: readonly Actor[]
  readonly compactions: number
}

const foldOf = (log: readonly Entry[]): KeySpaceState =>
  log.reduce((state, { key, record, offset }) => applyRecord(state, key, record, BigInt(offset)), EMPTY_KEY_SPACE)

/** The first Deleted before which nobody had claimed higher; its epoch. */
function endIn(history: readonly Entry[]): number | null {
  let highest = 0
  for (const { record } of history) {
    if (record?.kind === 'claim') highest = Math.max(highest, record.epoch)
    if (record?.kind === 'deleted' && record.epoch >= highest) return record.epoch
  }
  return null
}

function append(world: World, entries: readonly Pick<Entry, 'key' | 'record'>[], actor: Actor): World {
  const from = world.history.length
  const landed = entries.map((entry, i) => ({ ...entry, offset: from + i }))
  return { ...withActor(world, actor), history: [...world.history, ...landed], log: [...world.log, ...landed] }
}
const withActor = (world: World, actor: Actor): World => ({
  ...world,
  actors: world.actors.map(other => (other.id === actor.id ? actor : other)),
})
const recorded = (record: JournalRecord): Pick<Entry, 'key' | 'record'> => ({ key: recordKey(record), record })

function stepOf(world: World, actor: Actor): World | null {
  const { id, ends, epoch, keys } = actor
  const next = STEPS[STEPS.indexOf(actor.step as (typeof STEPS)[number]) + 1] ?? 'ended'
  const goes = { ...actor, step: next }
  const gone: Actor = { ...actor, step: 'ended' }
  switch (actor.step) {
    case 'begin': {
      const state = foldOf(world.log)
      return withActor(world, isDeleted(state) ? gone : { ...goes, epoch: (headClaim(state)?.epoch ?? 0) + 1 })
    }
    case 'claim':
      return append(world, [recorded(claimOf(id, epoch))], goes)
    case 'settle':
      return append(world, [recorded(settledOf(id, epoch, 0))], goes)
    case 'confirm':
    case 'confirmSettled': {
      const state = foldOf(world.log)
      return withActor(world, isHead(state, id) ? { ...goes, keys: keysBelow(state, epoch) } : gone)
    }
    case 'sweep':
      return append(
        world,
        keys.map(key => ({ key, record: null })),
        goes,
      )
    case 'last': // an owner confirms its Open and delivers until somebody finalizes its streams; an ender says Deleted
      if (ends) return append(world, [recorded(deletedOf(id, epoch))], gone)
      return withActor(world, isHead(foldOf(world.log), id) ? { ...actor, step: 'delivering' } : gone)
    case 'delivering':
    case 'ended':
      return null
  }
}

function nextOf(world: World): readonly World[] {
  const stepped = world.actors.flatMap(actor => stepOf(world, actor) ?? [])
  if (world.compactions === 0) return stepped
  const last = new Map(world.log.map(({ key, offset }) => [key, offset]))
  const kept = world.log.filter(({ key, offset }) => last.get(key) === offset)
  const compactions = world.compactions - 1
  const compacted = [kept, kept.filter(({ record }) => record !== null)].map(log => ({ ...world, log, compactions }))
  return [...stepped, ...compacted.filter(({ log }) => log.length < world.log.length)]
}

test('an incarnation ends once and for all, and nobody delivers whom its end did not supersede', () => {
  const actor = (id: string, ends: boolean): Actor => ({ id, ends, step: 'begin', epoch: 0, keys: [] })
  for (const actors of [
    [actor('ender', true), actor('owner', false), actor('late', false)],
    [actor('ender', true), actor('other', true), actor('owner', false)],
  ]) {
    const queue: World[] = [{ history: [], log: [], actors, compactions: 1 }]
    const seen = new Set<string>()
    let ended = 0
    let voided = 0
    for (let world = queue.pop(); world !== undefined; world = queue.pop()) {
      const { history, log, compactions } = world
      const name = JSON.stringify([
        history.map(({ key, record }) => (record === null ? `-${key}` : key)),
        log.map(({ offset }) => offset),
        world.actors,
        compactions,
      ])
      if (seen.has(name)) continue
      seen.add(name)
      const end = endIn(history)
      const told = (): string => history.map(e => `${e.offset} ${e.key}${e.record ? '' : ' removed'}`).join('\n')
      assert.equal(isDeleted(foldOf(log)), end !== null, `readers see what counts\n${told()}`)
      for (const { id, step, epoch } of world.actors)
        if (step === 'delivering' && end !== null)
          assert.ok(epoch < end, `${id} delivers in epoch ${epoch} beside the end in ${end}\n${told()}`)
      if (end !== null) ended++
      else if (history.some(({ record }) => record?.kind === 'deleted')) voided++
      queue.push(...nextOf(world))
    }
    assert.ok(ended > 0 && voided > 0, `${seen.size} states, ${ended} of them ended, ${voided} with a void end`)
  }
})
