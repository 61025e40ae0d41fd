// One thread of run-seeds.ts: a batch in, its result out.
import { parentPort } from 'node:worker_threads'
import { type Batch, runBatch } from './run-seeds.ts'

parentPort?.on('message', (batch: Batch) => {
  runBatch(batch).then(
    result => parentPort?.postMessage(result),
    error => {
      throw error
    },
  )
})
