// Millrace: one worker of a cluster of its own drains the topics, with the journal or with one that writes nothing.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { WorkerProcess } from '@millrace/testkit'
import { ask, connectorConfig } from '../../e2e/support/stage.ts'
import { profileFlags } from '../support/profile.ts'
import { type RunTables, tablesFor } from '../support/tables.ts'
import type { Contestant, Running, Scene } from './contestant.ts'

const WITHOUT_JOURNAL_MAIN = fileURLToPath(new URL('../support/without-journal.ts', import.meta.url))
const PROBE = fileURLToPath(new URL('../support/loop-probe.ts', import.meta.url))
const CREATED = 201
/** `stream.create.burst` by default, and at most: with more partitions the ramp, which nobody else has, would be what is measured. */
const [BURST, BURST_MAX] = [40, 1000]

/** A connector over the scene's topics, everything that is not the scene's at its default. */
export function connectorOver(topics: readonly string[], tables: readonly string[]): Record<string, string> {
  const config = connectorConfig(topics.join(','), {
    topic2TableMap: topics.map((topic, i) => `${topic}:${tables[i]}`).join(','),
    'tasks.max': '1',
  })
  delete config['append.linger.ms'] // what the end-to-end tests want
  return config
}

export type RunningOurs = Running & { readonly worker: WorkerProcess; readonly tables: RunTables }

/** @param main the program that is the worker; null: Millrace's own */
export async function startOurs(scene: Scene, main: string | null): Promise<RunningOurs> {
  const { services, profileFolder } = scene
  const group = services.unique('millrace')
  await using stack = new AsyncDisposableStack()
  stack.defer(() => services.deleteTopics(`${group}-`))
  const tables = stack.use(await tablesFor(scene))
  const loopLog = join(services.folder, `${group}.loop`)
  const worker = stack.use(
    await services.startWorker(
      group,
      scene.topics.length * scene.partitions > BURST ? { 'stream.create.burst': String(BURST_MAX) } : {},
      {
        ...(main !== null && { main }),
        nodeFlags: [...profileFlags(profileFolder), '--import', PROBE],
        env: { ...process.env, MILLRACE_BENCH_LOOP_LOG: loopLog },
      },
    ),
  )
  const created = await ask('POST', `${worker.rest}/connectors`, {
    name: tables.prefix,
    config: connectorOver(scene.topics, tables.names),
  })
  assert.equal(created.status, CREATED, created.text)
  const owned = stack.move()
  return {
    pid: worker.child.pid,
    rows: () => tables.rows(),
    assertAlive: () => assert.equal(worker.child.exit(), null, 'the worker runs'),
    loopLog,
    worker,
    tables,
    journal: main === null ? () => services.sizeOf(`${group}-journal`) : null,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export const OURS: Contestant = {
  name: 'ours',
  about: 'a worker of Millrace, exactly once',
  isCeiling: false,
  passes: 1,
  start: scene => startOurs(scene, null),
}
export const WITHOUT_JOURNAL: Contestant = {
  name: 'without-journal',
  about: 'the same with a journal that writes nothing',
  isCeiling: false,
  passes: 1,
  start: scene => startOurs(scene, WITHOUT_JOURNAL_MAIN),
}
