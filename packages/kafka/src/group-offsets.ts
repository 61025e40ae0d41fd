// Committed offsets of consumer groups, read and written without being a member (generation −1), as offset tools do.
import {
  formatTopicPartition,
  type GroupOffsets,
  type KafkaOffset,
  kafkaOffset,
  MillraceError,
  type PartitionPosition,
  type TopicPartition,
} from '@millrace/core'
import type { Cluster } from './cluster.ts'
import { KAFKA_ERROR, kafkaError } from './kafka-errors.ts'
import { type ProtocolRequest, protocolRequest } from './kafkajs-internals.ts'
import { offsetDeleteRequest } from './offset-delete-request.ts'

type OffsetFetchResponse = {
  readonly errorCode: number
  readonly responses: readonly {
    readonly topic: string
    readonly partitions: readonly { readonly partition: number; readonly offset: string; readonly errorCode: number }[]
  }[]
}
type OffsetCommitResponse = {
  readonly responses: readonly {
    readonly topic: string
    readonly partitions: readonly { readonly partition: number; readonly errorCode: number }[]
  }[]
}
type DescribeGroupsResponse = {
  readonly groups: readonly {
    readonly errorCode: number
    readonly state: string
    readonly members: readonly unknown[]
  }[]
}

const DEADLINE_MS = 30_000

export class KafkaGroupOffsets implements GroupOffsets {
  readonly #cluster: Cluster

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  async committed(
    group: string,
    tps: readonly TopicPartition[],
    options: { signal: AbortSignal },
  ): Promise<ReadonlyMap<string, KafkaOffset>> {
    if (tps.length === 0) return new Map()
    const request = protocolRequest<OffsetFetchResponse>('OffsetFetch', {
      groupId: group,
      topics: byTopic(tps, () => ({})),
    })
    return this.#retrying(options, async () => {
      const answer = await this.#ask(group, request, options)
      if (answer.errorCode !== 0) throw kafkaError(answer.errorCode, `Offsets of group ${group}`)
      const committed = new Map<string, KafkaOffset>()
      for (const { topic, partitions } of answer.responses)
        for (const { partition, offset, errorCode } of partitions) {
          if (errorCode !== 0 && errorCode !== KAFKA_ERROR.UNKNOWN_TOPIC_OR_PARTITION)
            throw kafkaError(errorCode, `Offset of group ${group} in ${topic}-${partition}`)
          if (errorCode === 0 && BigInt(offset) >= 0n)
            committed.set(formatTopicPartition({ topic, partition }), kafkaOffset(offset))
        }
      return committed
    })
  }

  async commit(
    group: string,
    positions: readonly PartitionPosition[],
    options: { signal: AbortSignal },
  ): Promise<void> {
    if (positions.length === 0) return
    const offsets = new Map(positions.map(p => [formatTopicPartition(p.tp), p.nextKafkaOffset.toString()]))
    const topics = byTopic(
      positions.map(p => p.tp),
      tp => ({ offset: offsets.get(formatTopicPartition(tp))! }),
    )
    const request = protocolRequest<OffsetCommitResponse>('OffsetCommit', {
      groupId: group,
      groupGenerationId: -1,
      memberId: '',
      topics,
    })
    return this.#retrying(options, async () => {
      const answer = await this.#ask(group, request, options)
      for (const { topic, partitions } of answer.responses)
        for (const { partition, errorCode } of partitions)
          if (errorCode !== 0) throw commitError(errorCode, group, { topic, partition })
    })
  }

  async forget(group: string, tps: readonly TopicPartition[], options: { signal: AbortSignal }): Promise<void> {
    if (tps.length === 0) return
    const request = offsetDeleteRequest(
      group,
      byTopic(tps, () => ({})),
    )
    return this.#retrying(options, async () => {
      const { errorCode, partitions } = await this.#ask(group, request, options)
      if (errorCode === KAFKA_ERROR.GROUP_ID_NOT_FOUND) return
      if (errorCode !== 0) throw kafkaError(errorCode, `Forgetting offsets of group ${group}`)
      for (const { topic, partition, errorCode: code } of partitions)
        if (code !== 0 && code !== KAFKA_ERROR.UNKNOWN_TOPIC_OR_PARTITION)
          throw kafkaError(code, `Forgetting the offset of group ${group} in ${topic}-${partition}`)
    })
  }

  async hasLiveMembers(group: string, options: { signal: AbortSignal }): Promise<boolean> {
    const request = protocolRequest<DescribeGroupsResponse>('DescribeGroups', { groupIds: [group] })
    return this.#retrying(options, async () => {
      const found = (await this.#ask(group, request, options)).groups[0]
      if (!found || found.errorCode === KAFKA_ERROR.GROUP_ID_NOT_FOUND) return false
      if (found.errorCode !== 0) throw kafkaError(found.errorCode, `Group ${group}`)
      return found.members.length > 0
    })
  }

  async #ask<T>(group: string, request: ProtocolRequest<T>, options: { signal: AbortSignal }): Promise<T> {
    const node = await this.#cluster.coordinator(group, options)
    return this.#cluster.send(node, 'control', request, options)
  }

  #retrying<T>(options: { signal: AbortSignal }, attempt: () => Promise<T>): Promise<T> {
    return this.#cluster.retrying(attempt, { signal: options.signal, deadlineMs: DEADLINE_MS })
  }
}

/** A group with members refuses a stranger's commit with one of the member errors. */
function commitError(code: number, group: string, tp: TopicPartition): MillraceError {
  const error = kafkaError(code, `Commit of group ${group} in ${formatTopicPartition(tp)}`)
  if (error.code !== 'GROUP_IN_USE') return error
  return new MillraceError('GROUP_IN_USE', 'failPartition', `Group ${group} has live members; ${error.message}`, {
    details: { group },
  })
}

function byTopic<T extends object>(
  tps: readonly TopicPartition[],
  extra: (tp: TopicPartition) => T,
): { topic: string; partitions: (T & { partition: number })[] }[] {
  const topics = new Map<string, (T & { partition: number })[]>()
  for (const tp of tps) {
    const partitions = topics.get(tp.topic) ?? []
    partitions.push({ ...extra(tp), partition: tp.partition })
    topics.set(tp.topic, partitions)
  }
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }))
}
