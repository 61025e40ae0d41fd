// The previous placement when the board was lost: what the workers hold by lease, grouped into tasks again. Partitions stay
// where they run; only task numbers may differ from before, which nobody notices but the status page.
import type { TopicPartition, WorkerId } from '../ids.ts'
import type { PartitionAssignment, TaskAssignment } from '../ports/coordination.ts'
import { type AssignableConnector, type Placement, taskCount } from './assign.ts'
import { partitionResource } from './weights.ts'

/** @param holders lease holders by `partitionResource`, as `Leases.holders` answers. */
export function placementFromHolders(
  connectors: readonly AssignableConnector[],
  holders: ReadonlyMap<string, WorkerId>,
  workerCount: number,
): Placement {
  const tasks: TaskAssignment[] = []
  const partitions: PartitionAssignment[] = []
  for (const connector of connectors) {
    const byWorker = Map.groupBy(
      connector.partitions.filter(tp => holders.has(partitionResource(connector.name, tp))),
      tp => holders.get(partitionResource(connector.name, tp))!,
    )
    const count = taskCount(connector.tasksMax, connector.partitions.length, workerCount)
    const chunkMin = Math.max(1, Math.floor(connector.partitions.length / count))
    let taskId = 0
    for (const [worker, held] of byWorker) {
      for (const chunk of chunks(held, chunkMin)) {
        const { name, incarnation } = connector
        tasks.push({ connector: name, incarnation, taskId, worker })
        for (const tp of chunk) partitions.push({ connector: name, incarnation, ...tp, taskId, worker })
        taskId++
      }
    }
  }
  return { tasks, partitions }
}

const chunks = (tps: readonly TopicPartition[], size: number): (readonly TopicPartition[])[] =>
  Array.from({ length: Math.ceil(tps.length / size) }, (_, i) => tps.slice(i * size, (i + 1) * size))
