// How long until the first row is visible: from POST /connectors to a worker that runs, and from the start of a worker's process with
// a connector that is there already and records that came while nobody ran.
import assert from 'node:assert/strict'
import { ask } from '../../e2e/support/stage.ts'
import type { Scene } from '../contestants/contestant.ts'
import { connectorOver } from '../contestants/ours.ts'
import { fillTopics } from '../inputs/fill.ts'
import { until } from './services.ts'
import { tablesFor } from './tables.ts'

const LOOK_EVERY_MS = 5
const RECORDS = 1_000
const CREATED = 201

export type FirstRow = { readonly fromPostMs: number; readonly fromStartMs: number }

/** `scene` has one topic, without a record at first. */
export async function measureFirstRow(scene: Scene): Promise<FirstRow> {
  const { services, topics, partitions, input } = scene
  const group = services.unique('first')
  await using stack = new AsyncDisposableStack()
  stack.defer(() => services.deleteTopics(`${group}-`))
  const tables = stack.use(await tablesFor(scene))
  const fill = (): Promise<number> =>
    fillTopics(services.kafka.bootstrapServers, topics, partitions, RECORDS, input.line)
  const rowsAbove = (count: number): Promise<number> =>
    until('a first row', LOOK_EVERY_MS, async () => ((await tables.rows()) > count ? performance.now() : null))

  await fill()
  const before = await recordsIn(scene)
  let fromPostMs: number
  {
    await using worker = await services.startWorker(group, {})
    const postedAtMs = performance.now()
    const config = connectorOver(topics, tables.names)
    const created = await ask('POST', `${worker.rest}/connectors`, { name: tables.prefix, config })
    assert.equal(created.status, CREATED, created.text)
    fromPostMs = (await rowsAbove(0)) - postedAtMs
    await until('all rows', LOOK_EVERY_MS, async () => ((await tables.rows()) >= before ? true : null))
  }
  await fill()
  const startedAtMs = performance.now()
  const [worker, firstAtMs] = await Promise.all([services.startWorker(group, {}), rowsAbove(before)])
  await worker.stop()
  return { fromPostMs, fromStartMs: firstAtMs - startedAtMs }
}

async function recordsIn({ services, topics }: Scene): Promise<number> {
  const offsets = await services.admin.fetchTopicOffsets(topics[0]!)
  return offsets.reduce((sum, { high }) => sum + Number(high), 0)
}
