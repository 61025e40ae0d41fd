// A connector and what one worker says of one of its partitions: where the tests of states and of health start from.
import { partitionReport } from '@millrace/testkit'
import { type Incarnation, kafkaOffset, type PartitionReport } from '../src/index.ts'

export const INCARNATION: Incarnation = 'inc1' as Incarnation

/** Running at offset 5 of 9. */
export const PARTITION_REPORT: PartitionReport = partitionReport({
  incarnation: INCARNATION,
  nextOffset: kafkaOffset(5),
  endOffset: kafkaOffset(9),
  lag: 4,
})
