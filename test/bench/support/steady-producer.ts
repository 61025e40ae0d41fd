// The same few records to every partition again and again at a steady rate, by the clock and not by what the last pause took.
import { setTimeout as sleep } from 'node:timers/promises'
import { BrokerWire } from '../../../packages/cli/src/demo/kafka-wire.ts'
import { encodeBatch } from '../../../packages/cli/src/demo/record-batch.ts'
import type { Input } from '../inputs/index.ts'
import type { Step } from './latency.ts'

const EVERY_MS = 8
const NO_CODEC = 0
const UNANSWERED_MAX = 64

/** When how many had been handed to the socket, of each partition alike. Resolves when the time is over and all are acknowledged. */
export async function produceSteadily(
  bootstrapServer: string,
  topic: string,
  partitions: number,
  line: Input['line'],
  rowsPerSecond: number,
  seconds: number,
): Promise<readonly Step[]> {
  const perPartition = Math.max(1, Math.round((rowsPerSecond * EVERY_MS) / 1000 / partitions))
  const everyMs = (1000 * perPartition * partitions) / rowsPerSecond
  const wire = await BrokerWire.open(bootstrapServer)
  const steps: Step[] = []
  const unanswered: Promise<void>[] = []
  try {
    const startedAtMs = performance.now()
    let id = 0
    for (let turn = 0; turn * everyMs < seconds * 1000; turn++) {
      const pauseMs = startedAtMs + turn * everyMs - performance.now()
      if (pauseMs > 0) await sleep(pauseMs)
      const batches = Array.from({ length: partitions }, (_, partition) => {
        let text = ''
        for (let i = 0; i < perPartition; i++) text += line(id++)
        const lines = Buffer.from(text)
        return { partition, batch: encodeBatch(lines, 0, lines.length, NO_CODEC, Date.now(), null) }
      })
      steps.push({ atMs: performance.now(), count: (turn + 1) * perPartition })
      const request = wire.produce(topic, batches, null)
      request.catch(() => {}) // it is awaited below
      unanswered.push(request)
      if (unanswered.length >= UNANSWERED_MAX) await unanswered.shift()
    }
    await Promise.all(unanswered)
  } finally {
    wire.close()
  }
  return steps
}
