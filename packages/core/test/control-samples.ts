// A connector and what one worker says of one of its partitions: where the tests of states and of health start from.
import { type Incarnation, kafkaOffset, type PartitionReport, type WorkerId, type WorkerReport } from '../src/index.ts'

export const INCARNATION: Incarnation = 'inc1' as Incarnation

/** Running at offset 5 of 9. */
export const PARTITION_REPORT: PartitionReport = {
  connector: 'c',
  incarnation: INCARNATION,
  topic: 't',
  partition: 0,
  taskId: 0,
  state: 'RUNNING',
  epoch: 1,
  nextOffset: kafkaOffset(5),
  endOffset: kafkaOffset(9),
  lag: 4,
  inFlightRows: 0,
  streams: [],
  takeovers: 0,
  rowsTotal: 0,
  deadLettersTotal: 0,
  droppedTotal: 0,
  failures: 0,
}

export const workerReport = (name: string, partitions: readonly PartitionReport[]): WorkerReport => ({
  worker: name as WorkerId,
  advertised: `${name}:8083`,
  pid: 1,
  version: '0',
  startedAtMs: 1,
  publishedAtMs: 1,
  rssBytes: 1,
  takeovers: 0,
  partitions,
  connectorFailures: [],
  troubles: [],
})
