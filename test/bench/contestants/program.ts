// Starts a contestant that is a program of its own and takes its task as JSON.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { startChild } from '@millrace/testkit'
import { DATASET, PROJECT } from '../../e2e/support/stage.ts'
import { tablesFor } from '../support/tables.ts'
import type { Running, Scene } from './contestant.ts'
import type { ProgramTask } from './task.ts'

export type Program = {
  readonly name: string
  readonly command: string
  /** Before the task. */
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly loopLog?: string
  /** `table`: rows are counted in the tables it writes to; `file`: it writes none, and says how many it is done with. */
  readonly counted: 'table' | 'file'
}

const LOG_TAIL_CHARS = 2_000

export type RunningProgram = Running & { readonly logFile: string; readonly tables: readonly string[] }

export async function startProgram(scene: Scene, program: Program): Promise<RunningProgram> {
  const { services } = scene
  await using stack = new AsyncDisposableStack()
  const tables = stack.use(await tablesFor(scene))
  const countFile = join(services.folder, `${tables.prefix}.count`)
  const task: ProgramTask = {
    broker: services.kafka.bootstrapServers,
    groupId: tables.prefix,
    grpc: services.emulator.grpc,
    rest: services.emulator.rest,
    project: PROJECT,
    dataset: DATASET,
    topics: scene.topics.map((topic, i) => ({ topic, table: tables.names[i]! })),
    partitions: scene.partitions,
    fields: scene.input.fields,
    records: scene.records,
    countFile,
  }
  const logFile = join(services.folder, `${tables.prefix}-${program.name}.log`)
  const child = await startChild({
    name: program.name,
    command: program.command,
    args: [...program.args, JSON.stringify(task)],
    env: { ...process.env, ...program.env },
    logFile,
  })
  stack.defer(() => child.stop())
  const owned = stack.move()
  return {
    pid: child.pid,
    rows: async () => (program.counted === 'table' ? await tables.rows() : countIn(countFile)),
    assertAlive() {
      if (child.exit() !== null)
        throw new Error(`${program.name} ended: ${readFileSync(logFile, 'utf8').slice(-LOG_TAIL_CHARS)}`)
    },
    loopLog: program.loopLog ?? null,
    journal: null,
    logFile,
    tables: tables.names,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

const countIn = (file: string): number => (existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0)
