// The demo's handle on its producer process: how far it may go, how far it is.
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { guardProcess, spareProcess } from '@millrace/testkit'

/** To the producer: records with ids below `allow` may be produced (rounded up to a whole round). */
export type ProducerOrder = { readonly allow: number }
/** From the producer. `produced`: ids below it are sent; all of them are acknowledged whenever it waits or has ended. */
export type ProducerMessage =
  | { readonly produced: number; readonly abortedRows: number; readonly rssBytes: number }
  | { readonly failed: string }

export type Producer = {
  readonly pid: number
  readonly produced: () => number
  readonly abortedRows: () => number
  readonly rssBytesMax: () => number
  allow(records: number): void
  /** Why it failed, or null. */
  readonly failure: () => string | null
  /** Resolves when it has ended. */
  readonly ended: Promise<void>
  stop(): Promise<void>
}

/** Starts the producer; it waits for `allow`. The topic must exist. */
export function startProducer(bootstrapServer: string, records: number, folder: string): Producer {
  const main = fileURLToPath(new URL('./producer-main.ts', import.meta.url))
  const child = fork(main, [bootstrapServer, String(records), folder], {
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const pid = child.pid
  if (pid === undefined) throw new Error('The producer could not be started.')
  guardProcess(pid)
  let produced = 0
  let abortedRows = 0
  let rssBytesMax = 0
  let failure: string | null = null
  child.on('message', (message: ProducerMessage) => {
    if ('failed' in message) failure = message.failed
    else {
      produced = message.produced
      abortedRows = message.abortedRows
      rssBytesMax = Math.max(rssBytesMax, message.rssBytes)
    }
  })
  const ended = new Promise<void>(resolve => {
    child.once('exit', (code, signal) => {
      spareProcess(pid)
      if (code !== 0) failure ??= `The producer ended with ${signal ?? `exit code ${code}`}.`
      resolve()
    })
  })
  return {
    pid,
    produced: () => produced,
    abortedRows: () => abortedRows,
    rssBytesMax: () => rssBytesMax,
    allow(allow) {
      if (child.connected) child.send({ allow } satisfies ProducerOrder)
    },
    failure: () => failure,
    ended,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await ended
    },
  }
}
