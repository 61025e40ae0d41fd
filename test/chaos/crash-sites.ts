// Where a worker of the harness dies, by SIGKILL and in the middle of its work: `CRASH_AT=site:n` is the n-th time it comes by that
// site. Every site is at a port, before or after a durable step, so production code knows nothing of it.
import { writeSync } from 'node:fs'
import type { Adapters } from '../../packages/cli/src/worker/run-worker.ts'

/** Records of the journal whose append has a site before and after it. */
const RECORDS = ['claim', 'open', 'intent', 'settled', 'release', 'barrier'] as const
export type Moment = `before-${string}` | `after-${string}`

export const CRASH_SITES: Readonly<Record<'delivery' | 'claim' | 'takeover' | 'release', readonly Moment[]>> = {
  /** The worker comes by these whenever it works. */
  delivery: ['before-intent', 'after-intent', 'after-send', 'after-ack', 'before-letter', 'after-letter'],
  /** … when it takes partitions that somebody released. */
  claim: [
    'before-claim',
    'after-claim',
    'before-barrier',
    'after-barrier',
    'before-settled',
    'after-settled',
    'before-open',
    'after-open',
  ],
  /** … when it takes partitions of one that is dead. */
  takeover: ['before-finalize', 'after-finalize', 'before-create', 'after-create'],
  /** … when it lets go of its own. */
  release: ['before-release', 'after-release'],
}

/** In the worker's log when it dies. */
export const CRASH_LINE = 'chaos: crash at'

export class CrashSite {
  readonly #site: string
  #left: number

  /** @param text `site:n`; n defaults to 1 */
  constructor(text: string) {
    const [site = '', n = '1'] = text.split(':')
    this.#site = site
    this.#left = Number(n)
  }

  pass(site: Moment): void {
    if (site !== this.#site || --this.#left > 0) return
    writeSync(2, `${CRASH_LINE} ${site}\n`)
    process.kill(process.pid, 'SIGKILL')
    // The signal is on its way; nothing else may happen until it is here.
    for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  }

  /** The adapters, with a site around each durable step, and BigQuery opened with what is given. */
  around(adapters: Adapters, given: Partial<Parameters<Adapters['openBigQuery']>[0]>): Adapters {
    return {
      openKafkaSide: async (...args) => {
        const kafka = await adapters.openKafkaSide(...args)
        const { journal, deadLetters } = kafka
        const append = journal.append.bind(journal)
        journal.append = async (space, records) => {
          const kinds = RECORDS.filter(kind => records.some(record => record.kind === kind))
          for (const kind of kinds) this.pass(`before-${kind}`)
          await append(space, records)
          for (const kind of kinds) this.pass(`after-${kind}`)
        }
        const produce = deadLetters.produce.bind(deadLetters)
        deadLetters.produce = async (...letters) => {
          this.pass('before-letter')
          await produce(...letters)
          this.pass('after-letter')
        }
        return kafka
      },
      openBigQuery: async options => {
        const bigQuery = await adapters.openBigQuery({ ...options, ...given })
        const { writeStreams } = bigQuery
        const { create, finalize, connect } = {
          create: writeStreams.create.bind(writeStreams),
          finalize: writeStreams.finalize.bind(writeStreams),
          connect: writeStreams.connect.bind(writeStreams),
        }
        writeStreams.create = async (...args) => {
          this.pass('before-create')
          const stream = await create(...args)
          this.pass('after-create')
          return stream
        }
        writeStreams.finalize = async (...args) => {
          this.pass('before-finalize')
          const rows = await finalize(...args)
          this.pass('after-finalize')
          return rows
        }
        writeStreams.connect = (stream, schema, listener) => {
          const connection = connect(stream, schema, {
            onAcknowledged: (id, offset) => {
              this.pass('after-ack')
              listener.onAcknowledged(id, offset)
            },
            onRefused: (id, error) => listener.onRefused(id, error),
            onBroken: error => listener.onBroken(error),
            onSchemaUpdated: () => listener.onSchemaUpdated(),
          })
          const send = connection.send.bind(connection)
          connection.send = request => {
            send(request)
            // Once the bytes are with the kernel.
            setImmediate(() => this.pass('after-send'))
          }
          return connection
        }
        return bigQuery
      },
    }
  }
}
