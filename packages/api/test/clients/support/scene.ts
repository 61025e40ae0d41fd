// What the recorded requests find: connectors that run, fail, pause and stand still.
import { kafkaOffset } from '@millrace/core'
import type { ApiSecurity } from '../../../src/index.ts'
import { CONFIG } from '../../support/test-api.ts'
import { WireApi } from './wire.ts'

/** The config most clients send, as JSON. */
export const configText = (over: object = {}): string => JSON.stringify({ ...CONFIG, ...over })
export const createText = (name: string, over: object = {}, more: object = {}): string =>
  JSON.stringify({ name, config: { ...CONFIG, ...over }, ...more })

/** `runs` has two tasks at work; `fails` one FAILED task of two; `rests` is PAUSED, `stands` STOPPED. */
export async function openScene(security?: ApiSecurity): Promise<WireApi> {
  const wire = await WireApi.open(security)
  const { api } = wire
  for (const name of ['runs', 'fails']) await api.create(name)
  await api.create('rests', {}, { initial_state: 'PAUSED' })
  await api.create('stands', {}, { initial_state: 'STOPPED' })
  api.report('w1', 'runs', [{}, {}])
  api.report('w2', 'fails', [{}, { state: 'FAILED', trace: 'TABLE_MISSING: no such table\n  at write', failures: 1 }])
  api.positions = [{ tp: { topic: 'flights', partition: 0 }, nextKafkaOffset: kafkaOffset(42) }]
  api.time.jump(1_000)
  return wire
}
