// Services that break one assumption each, and the probes that must say so: by an emulator's own knobs and faults where it has
// one, else by lies about what it answers.
import type { Append, Lies } from './lying-service.ts'

export type Mutant = {
  readonly name: string
  /** Ids of the probes that must find it false. */
  readonly caughtBy: readonly string[]
  readonly behavior?: object
  readonly fault?: object
  lies?(rowsNow: (stream: string) => Promise<bigint>): Lies
  readonly lateMs?: number
}

type Request = Append['request']
type Response = Awaited<ReturnType<Append['forward']>>

const offsetOf = (request: Request): number => Number(request.offset?.value ?? 0)
const rowsIn = (request: Request): readonly Uint8Array[] =>
  (request.protoRows?.rows?.serializedRows ?? []) as readonly Uint8Array[]
const acknowledgement = (offset: number): Response => ({ appendResult: { offset: { value: offset } } })
const withoutOffset = (request: Request): Request => ({ ...request, offset: null })
const says = ({ error }: Response, text: string): boolean => error?.message?.includes(text) === true

const SECOND = 1_000
/** Whoever comes this late may find the table dropped. */
const gone = (): void => {}
const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

/** Answers a refusal of this text by something else. */
const insteadOf = (text: string, answer: (append: Append, refusal: Response) => Promise<Response>): Lies => ({
  async append(append) {
    const response = await append.forward()
    return says(response, text) ? await answer(append, response) : response
  },
})
const appendAnyway = async ({ request, forward }: Append): Promise<Response> => {
  await forward(withoutOffset(request))
  return acknowledgement(offsetOf(request))
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'a second Finalize counts one more',
    caughtBy: ['A1'],
    lies: () => ({ finalize: async ({ askedBefore, forward }) => (await forward()) + (askedBefore > 0 ? 1n : 0n) }),
  },
  { name: 'a second Finalize is refused', caughtBy: ['A1'], behavior: { finalizeAgain: 'reject' } },
  {
    name: 'Finalize does not count the last row',
    caughtBy: ['A1', 'A3'],
    lies: () => ({
      async finalize({ forward }) {
        const rows = await forward()
        return rows > 0n ? rows - 1n : rows
      },
    }),
  },
  {
    name: 'Finalize answers a moment before it closes the stream',
    caughtBy: ['A2a'],
    lies: rowsNow => ({
      async finalize({ stream, askedBefore, forward }) {
        if (askedBefore > 0) return await forward()
        const rows = await rowsNow(stream)
        setTimeout(() => void forward().catch(gone), 100)
        return rows
      },
    }),
  },
  {
    name: 'an append is refused as too late although Finalize counted it',
    caughtBy: ['A2a'],
    lies: () => ({
      async append({ request, forward }) {
        const response = await forward()
        if (offsetOf(request) !== 20) return response
        return { error: { code: 3, message: 'Stream has been finalized and cannot be appended.' } }
      },
    }),
  },
  {
    name: 'what a dead client had on the wire lands behind the count',
    caughtBy: ['A2b'],
    fault: { effect: 'delayApply', delayMs: 800, nth: 20, stream: '/streams/' },
    lies: rowsNow => ({ finalize: ({ stream }) => rowsNow(stream) }),
    lateMs: 1.5 * SECOND,
  },
  {
    name: 'the good rows of a refused append stay',
    caughtBy: ['A3'],
    lies: () => ({
      async append({ request, forward }) {
        const response = await forward()
        const bad = (response.rowErrors ?? []).map(({ index }) => Number(index))
        if (bad.length === 0) return response
        const serializedRows = rowsIn(request).filter((_, index) => !bad.includes(index)) as Uint8Array[]
        await forward({ ...withoutOffset(request), protoRows: { ...request.protoRows, rows: { serializedRows } } })
        return response
      },
    }),
  },
  {
    name: 'what stands behind a refused append lands',
    caughtBy: ['A3', 'A4a'],
    lies: () => insteadOf('beyond stream', appendAnyway),
  },
  {
    name: 'a copy is taken for new rows',
    caughtBy: ['A4a', 'A4b'],
    lies: () => insteadOf('within stream', appendAnyway),
  },
  {
    name: 'a copy lands once more although it is refused',
    caughtBy: ['A4a'],
    lies: () =>
      insteadOf('within stream', async ({ request, forward }, refusal) => {
        await forward(withoutOffset(request))
        return refusal
      }),
  },
  {
    name: 'rows are acknowledged at another offset',
    caughtBy: ['A4a'],
    lies: () => ({
      async append({ request, forward }) {
        const response = await forward()
        return response.error ? response : acknowledgement(offsetOf(request) + 1)
      },
    }),
  },
  {
    name: 'a new connection never learns the end of the stream',
    caughtBy: ['A4b'],
    lies: () => ({
      append: ({ request, isFirst, forward }) =>
        isFirst && offsetOf(request) > 0
          ? Promise.resolve({ error: { code: 11, message: `The offset is beyond stream, expected offset 0` } })
          : forward(),
    }),
  },
  {
    name: 'the rows of a second connection are acknowledged and lost',
    caughtBy: ['A4c', 'A6'],
    lies: () => ({
      append: ({ request, forward }) =>
        offsetOf(request) === 0 ? forward() : Promise.resolve(acknowledgement(offsetOf(request))),
    }),
  },
  {
    name: 'an append behind Finalize is acknowledged',
    caughtBy: ['A5', 'A2a'],
    lies: () => insteadOf('finalized', async ({ request }) => acknowledgement(offsetOf(request))),
  },
  {
    name: 'a copy that comes behind Finalize is acknowledged',
    caughtBy: ['A5'],
    lies: () =>
      insteadOf('finalized', async ({ request }, refusal) => (offsetOf(request) === 0 ? acknowledgement(0) : refusal)),
  },
  {
    name: 'rows are acknowledged before they can be seen',
    caughtBy: ['A6'],
    lies: () => ({
      async append({ request, forward }) {
        void pause(200)
          .then(() => forward())
          .catch(gone)
        return acknowledgement(offsetOf(request))
      },
    }),
  },
  {
    name: 'Finalize counts 0 rows in a stream that does not exist',
    caughtBy: ['A7'],
    lies: () => ({ finalize: ({ forward }) => forward().catch(() => 0n) }),
  },
  {
    name: 'GetWriteStream does not find what is there',
    caughtBy: ['A8'],
    fault: { method: 'GetWriteStream', effect: 'close', code: 'NOT_FOUND', message: 'Requested entity was not found.' },
  },
]

/** What the service may do either way: no probe may call it false. */
export const TOLERATED: readonly (Mutant & { readonly probes: readonly string[] })[] = [
  { name: 'a newer connection ends the older', probes: ['A4c'], behavior: { secondConnection: 'preempt' } },
  { name: 'a newer connection is refused', probes: ['A4c'], behavior: { secondConnection: 'reject' } },
  { name: 'STREAM_FINALIZED ends the call', probes: ['A2a', 'A5'], behavior: { finalizedAppend: 'close' } },
  { name: 'the end of a stream is stale for a moment', probes: ['A4b'], behavior: { staleEndMs: 60 * SECOND } },
  {
    name: 'unary calls fail now and then',
    probes: ['A1'],
    fault: { method: 'FinalizeWriteStream', effect: 'closeAfterApply', every: 3, code: 'UNAVAILABLE' },
  },
].map(one => ({ ...one, caughtBy: [] }))
