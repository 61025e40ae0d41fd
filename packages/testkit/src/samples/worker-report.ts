// What a worker says of itself and of one of its partitions, as the tests of everything that reads reports begin with it.
import type { Incarnation, PartitionReport, WorkerId, WorkerReport } from '@millrace/core'

/** Partition 0 of topic `t` at work for connector `c`, nothing heard of its position yet. */
export function partitionReport(change: Partial<PartitionReport> = {}): PartitionReport {
  return {
    connector: 'c',
    incarnation: 'inc1' as Incarnation,
    topic: 't',
    partition: 0,
    taskId: 0,
    state: 'RUNNING',
    epoch: 1,
    nextOffset: null,
    endOffset: null,
    lag: null,
    inFlightRows: 0,
    streams: [],
    takeovers: 0,
    rowsTotal: 0,
    deadLettersTotal: 0,
    droppedTotal: 0,
    failures: 0,
    ...change,
  }
}

/** A worker without troubles, at its name and Kafka Connect's port. */
export function workerReport(
  worker: string,
  partitions: readonly PartitionReport[] = [],
  change: Partial<WorkerReport> = {},
): WorkerReport {
  return {
    worker: worker as WorkerId,
    advertised: `${worker}:8083`,
    pid: 1,
    version: '0.1.0',
    startedAtMs: 1,
    publishedAtMs: 2,
    rssBytes: 3,
    takeovers: 0,
    partitions,
    connectorFailures: [],
    troubles: [],
    ...change,
  }
}
