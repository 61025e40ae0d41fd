// `millrace verify CONNECTOR --url URL`: asks any worker to compare a connector with its topics and tables, and prints the receipt.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Run, receiptText } from './receipt-text.ts'

export type VerifyOptions = { readonly url: string; readonly user?: string; readonly json?: boolean }

/** 1: something differs, or waits for an operator. 2: usage, or it cannot be told. */
const EXIT = { ok: 0, different: 1, usage: 2, notFound: 3, interrupted: 130 } as const
const POLL_MS = 500
/** A worker that answers nothing for so long is given up. */
const REQUEST_MS = 40_000

type Reply = { readonly status: number; readonly body: unknown }

/** @returns the exit code */
export async function runVerify(connector: string, options: VerifyOptions): Promise<number> {
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort())
  const ask = asking(connector, options)
  try {
    const started = await ask('POST')
    if (started.status !== 202) return refused(connector, started)
    let run = started.body as Run
    const { id } = run
    for (let told = ''; run.state === 'RUNNING'; ) {
      told = tell(run, told)
      if (stop.signal.aborted) {
        await ask('DELETE')
        return EXIT.interrupted
      }
      await sleep(POLL_MS)
      const { status, body } = await ask('GET')
      if (status !== 200) return refused(connector, { status, body })
      run = body as Run
    }
    if (run.id !== id) process.stderr.write('Another comparison was begun meanwhile; this is its receipt.\n')
    process.stdout.write(options.json === true ? `${JSON.stringify(run, null, 2)}\n` : receiptText(run))
    return exitOf(run)
  } catch (error) {
    const why = error instanceof Error ? (error.cause instanceof Error ? error.cause.message : error.message) : ''
    process.stderr.write(`${options.url} does not answer: ${why}. --url is the REST address of any worker.\n`)
    return EXIT.usage
  }
}

/** The password comes from MILLRACE_PASSWORD: a command line is seen by others. */
function asking(connector: string, { url, user }: VerifyOptions): (method: string) => Promise<Reply> {
  const address = `${url.replace(/\/+$/, '')}/api/v1/connectors/${encodeURIComponent(connector)}/verify`
  const password = process.env['MILLRACE_PASSWORD'] ?? ''
  const headers: Record<string, string> =
    user === undefined ? {} : { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` }
  return async method => {
    const answer = await fetch(address, { method, headers, signal: AbortSignal.timeout(REQUEST_MS) })
    const text = await answer.text()
    return { status: answer.status, body: text === '' ? null : JSON.parse(text) }
  }
}

/** Only what is new: a line for each stage. */
function tell({ progress }: Run, told: string): string {
  const { stage, partitions, partitions_read: read, records_read: records } = progress
  if (stage === told) return told
  process.stderr.write(`${stage} (${read} of ${partitions} partitions, ${records} records)\n`)
  return stage
}

function refused(connector: string, { status, body }: Reply): number {
  const { message } = (body ?? {}) as { message?: string }
  process.stderr.write(`${connector}: ${message ?? `HTTP ${status}`}\n`)
  return status === 404 ? EXIT.notFound : EXIT.usage
}

function exitOf({ receipt }: Run): number {
  switch (receipt?.verdict) {
    case 'VERIFIED':
    case 'VERIFIED_BY_COUNT':
      return EXIT.ok
    case 'DIFFERENT':
    case 'IN_DOUBT':
      return EXIT.different
    default:
      return EXIT.usage
  }
}
