// Turns measured loads into weights whose mean is 1, so that "not measured yet" (1) means "as heavy as any other".
import type { TopicPartition } from '../ids.ts'
import { formatTopicPartition } from '../ids.ts'

/** The lease on a partition of a connector, and the key of its load: `connector/topic-partition`. */
export const partitionResource = (connector: string, tp: TopicPartition): string =>
  `${connector}/${formatTopicPartition(tp)}`

/** An idle partition still costs fetches, leases and memory: this part of a weight does not depend on its rate. */
const IDLE_SHARE = 0.25

export type Weights = { readonly isMeasured: boolean; readonly of: (resource: string) => number }

/** @param loads rows/s or bytes/s by `partitionResource`; any unit, as only ratios count. */
export function weightsFrom(loads: ReadonlyMap<string, number>, resources: readonly string[]): Weights {
  const measured = resources.map(r => loads.get(r)).filter(load => load !== undefined && load >= 0) as number[]
  const mean = measured.reduce((sum, load) => sum + load, 0) / measured.length
  if (!(mean > 0)) return { isMeasured: false, of: () => 1 }
  return {
    isMeasured: true,
    of: resource => {
      const load = loads.get(resource)
      return load === undefined || !(load >= 0) ? 1 : IDLE_SHARE + ((1 - IDLE_SHARE) * load) / mean
    },
  }
}
