// What each change means for a connector.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type ConnectorEntry,
  type ControlChange,
  type ControlState,
  connectorRestartToken,
  EMPTY_CONTROL_STATE,
  type Incarnation,
  planChange,
  RESTARTED_TASKS_MAX,
  restartToken,
  type TargetState,
} from '../src/index.ts'

const CREATE: ControlChange = {
  kind: 'create',
  name: 'a',
  config: { name: 'a', x: '1' },
  targetState: 'STARTED',
  incarnation: 'inc' as Incarnation,
  journalId: 'j',
}

function apply(state: ControlState, change: ControlChange): ControlState {
  const plan = planChange(state, change, { nowMs: 7 })
  if (plan.kind === 'answer') return state
  if (plan.body.kind === 'deleted') return { connectors: new Map(), deleted: new Map([['a', plan.body.deleted]]) }
  return { connectors: new Map([['a', plan.body.entry]]), deleted: new Map() }
}
const after = (...changes: ControlChange[]): ConnectorEntry => {
  const entry = changes.reduce(apply, apply(EMPTY_CONTROL_STATE, CREATE)).connectors.get('a')
  assert.ok(entry)
  return entry
}
const target = (targetState: TargetState): ControlChange => ({ kind: 'setTargetState', name: 'a', targetState })

describe('a change of wishes', () => {
  test('stopping removes the tasks, only starting brings them back, pausing leaves it', () => {
    assert.equal(after().hasTasks, true)
    assert.equal(after(target('PAUSED')).hasTasks, true)
    assert.equal(after(target('STOPPED')).hasTasks, false)
    assert.equal(after(target('STOPPED'), target('PAUSED')).hasTasks, false)
    assert.equal(after(target('STOPPED'), target('PAUSED'), target('STARTED')).hasTasks, true)
    const paused = apply(EMPTY_CONTROL_STATE, { ...CREATE, targetState: 'PAUSED' }).connectors.get('a')
    assert.equal(paused?.hasTasks, false)
  })

  test('another config is another generation and restarts everything; the same config changes nothing', () => {
    const state = apply(EMPTY_CONTROL_STATE, CREATE)
    const same = planChange(state, { kind: 'configure', name: 'a', config: { x: '1', name: 'a' } }, { nowMs: 9 })
    assert.deepEqual(same.kind === 'answer' && same.result.kind, 'unchanged')
    const changed = after({ kind: 'configure', name: 'a', config: { name: 'a' } })
    assert.equal(changed.configGeneration, 2)
    assert.equal(changed.version, 2)
    assert.notEqual(restartToken(changed, 0), restartToken(after(), 0))
    assert.notEqual(connectorRestartToken(changed), connectorRestartToken(after()))
  })

  test('a restart concerns exactly what was asked for', () => {
    const before = after()
    const one = after({ kind: 'restart', name: 'a', connector: false, tasks: [1] })
    assert.equal(restartToken(one, 0), restartToken(before, 0))
    assert.notEqual(restartToken(one, 1), restartToken(before, 1))
    assert.equal(connectorRestartToken(one), connectorRestartToken(before))
    const all = after({ kind: 'restart', name: 'a', connector: true, tasks: 'all' })
    assert.notEqual(restartToken(all, 7), restartToken(before, 7))
    assert.notEqual(connectorRestartToken(all), connectorRestartToken(before))
  })

  test('a restart of nothing, and a target state that holds already, write nothing', () => {
    const state = apply(EMPTY_CONTROL_STATE, CREATE)
    for (const change of [{ kind: 'restart', name: 'a', connector: false, tasks: [] }, target('STARTED')] as const) {
      const plan = planChange(state, change, { nowMs: 9 })
      assert.equal(plan.kind === 'answer' && plan.result.kind, 'unchanged')
    }
  })

  test('counters of single tasks are bounded: beyond it all tasks restart', () => {
    const tasks = Array.from({ length: RESTARTED_TASKS_MAX + 1 }, (_, id) => id)
    assert.deepEqual(after({ kind: 'restart', name: 'a', connector: false, tasks }).restarts, {
      connector: 0,
      allTasks: 1,
      tasks: {},
    })
  })

  test('an old version is a conflict, also when the connector is gone', () => {
    const plan = planChange(apply(EMPTY_CONTROL_STATE, CREATE), target('PAUSED'), { nowMs: 9, ifVersion: 3 })
    assert.deepEqual(plan, { kind: 'answer', result: { kind: 'conflict', currentVersion: 1 } })
    const gone = planChange(EMPTY_CONTROL_STATE, target('PAUSED'), { nowMs: 9, ifVersion: 3 })
    assert.deepEqual(gone, { kind: 'answer', result: { kind: 'conflict', currentVersion: null } })
  })
})
