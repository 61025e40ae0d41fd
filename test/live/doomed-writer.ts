// A client in a thread of its own that is killed in the middle of its appends: nothing is closed in good order, some requests
// never leave, some arrive without anybody to hear the answer.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import type { StreamName } from '@millrace/core'
import { Appender } from './appender.ts'
import type { Service } from './client.ts'
import { keepAppending } from './keep-appending.ts'

export type DoomedAppends = {
  readonly service: Service
  readonly stream: StreamName
  readonly mark: string
  readonly rowsPerBatch: number
}

/** How long the thread may take to its first acknowledgements. */
const PATIENCE_MS = 60_000

/** Resolves with the number of acknowledged batches once at least `after` are and the thread is dead. */
export async function appendAndDie(appends: DoomedAppends, after: number): Promise<number> {
  const worker = new Worker(new URL(import.meta.url), { workerData: appends })
  let acknowledged = 0
  const enough = Promise.withResolvers<void>()
  const timer = setTimeout(() => enough.reject(new Error('the doomed writer got no answer')), PATIENCE_MS)
  worker.on('message', () => {
    if (++acknowledged >= after) enough.resolve()
  })
  worker.on('error', enough.reject)
  try {
    await enough.promise
  } finally {
    clearTimeout(timer)
    await worker.terminate()
  }
  return acknowledged
}

async function appendForEver({ service, stream, mark, rowsPerBatch }: DoomedAppends): Promise<void> {
  const { openClient } = await import('./client.ts')
  const { streams } = await openClient(service)
  await keepAppending(new Appender(streams, stream), { mark, perBatch: rowsPerBatch }, () =>
    parentPort?.postMessage(null),
  )
}

if (!isMainThread) await appendForEver(workerData as DoomedAppends)
