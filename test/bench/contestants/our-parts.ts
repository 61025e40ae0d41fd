// The parts of a worker that the ceilings are made of, opened as a worker opens them.
import { setTimeout as sleep } from 'node:timers/promises'
import { type BigQuery, openBigQuery } from '@millrace/bigquery'
import { compileValueConverter, type ValueConverter } from '@millrace/convert'
import { kafkaOffset, type Logger, type RecordSlice, type TableName, tableName } from '@millrace/core'
import { Cluster, clientSettings, Fetcher } from '@millrace/kafka'
import { systemClock, systemRandom, systemTimers } from '../../../packages/cli/src/worker/system.ts'
import type { ProgramTask } from './task.ts'

const SYSTEM = { clock: systemClock, timers: systemTimers, random: systemRandom }
/** Half of a worker's default budget. */
const FETCH_BUDGET_BYTES = 64 * 1024 * 1024
const CONVERTER = {
  'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'value.converter.schemas.enable': 'false',
}
const silence = (): void => {}
const LOGGER = { debug: silence, info: silence, warn: silence, error: silence, child: () => LOGGER } as Logger

export function openFetcher({ broker }: ProgramTask): Fetcher {
  const settings = clientSettings({ 'bootstrap.servers': broker }, 'consumer', { clock: systemClock, fetch })
  const cluster = new Cluster(settings, { ...SYSTEM, log: LOGGER })
  return new Fetcher(cluster, { totalBudgetBytes: FETCH_BUDGET_BYTES })
}

export const openStorage = ({ grpc, rest }: ProgramTask): Promise<BigQuery> =>
  openBigQuery({ endpoint: `http://${grpc}`, restEndpoint: rest, ...SYSTEM })

export const nameOf = ({ project, dataset }: ProgramTask, table: string): TableName =>
  tableName(project, dataset, table)

/** The converter a worker compiles for records of the topic. */
export async function converterFor(
  task: ProgramTask,
  bigQuery: BigQuery,
  { topic, table }: ProgramTask['topics'][number],
): Promise<ValueConverter> {
  const info = await bigQuery.tables.get(nameOf(task, table), { signal: new AbortController().signal })
  if (info === null) throw new Error(`There is no table ${table}.`)
  return compileValueConverter(CONVERTER, info.schema, topic)
}

/** Slices of a partition from its beginning: at least so many bytes, or all there is. */
export async function slicesOf(
  fetcher: Fetcher,
  topic: string,
  partition: number,
  bytesMin: number,
): Promise<readonly RecordSlice[]> {
  const slices: RecordSlice[] = []
  const { signal } = new AbortController()
  const reader = fetcher.open({ topic, partition }, kafkaOffset(0n))
  for (let bytes = 0; bytes < bytesMin; ) {
    for (const slice of await reader.read({ signal })) {
      slices.push(slice)
      bytes += slice.valueEnd.at(-1)! - slice.valueStart[0]!
    }
    const { endKafkaOffset } = reader
    if (endKafkaOffset !== null && reader.nextKafkaOffset >= endKafkaOffset) break
  }
  reader.close()
  return slices
}

/** A program that is done stays, so that its CPU can be read once more, until it is ended. */
export async function stay(): Promise<never> {
  for (;;) await sleep(60_000)
}
