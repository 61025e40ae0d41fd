// A5, A7, A8 and what becomes of a dropped table: streams that take nothing more, or are not there.
import type { StreamName } from '@millrace/core'
import { Appender, hasLanded, isFinalized, isRefused, placeOf, told } from '../appender.ts'
import { holds, isGone, must, noted, type Probe, reasonOf, undecided } from '../probe.ts'
import { rowsOf } from '../rows.ts'
import type { Site } from '../site.ts'
import { mustHold } from './appends.ts'

export const finalizedTakesNothing: Probe = {
  id: 'A5',
  assumption: 'After Finalize every append answers STREAM_FINALIZED, on a connection that is open and on a new one',
  async run(site) {
    const mark = site.mark()
    const stream = await site.createStream()
    using open = new Appender(site.streams, stream)
    const first = await open.ask(0, rowsOf(mark, 0, 2))
    must(hasLanded(first), `the first append was answered with ${told(first)}`)
    await using client = await site.openClient()
    await site.finalize(stream, client.streams)
    const onOpen = await open.ask(2, rowsOf(mark, 2, 1))
    must(isFinalized(onOpen), `on the open connection an append was answered with ${told(onOpen)}`)
    using fresh = new Appender(client.streams, stream)
    const onNew = await fresh.ask(2, rowsOf(mark, 2, 1))
    must(isFinalized(onNew), `on a new connection an append was answered with ${told(onNew)}`)
    using late = new Appender(site.streams, stream)
    const copy = await late.ask(0, rowsOf(mark, 0, 2))
    must(!hasLanded(copy), `a late copy of rows that are there was ${told(copy)}`)
    await mustHold(site, stream, mark, 2)
    return holds(
      `open connection: ${placeOf(onOpen)}; new one: ${placeOf(onNew)}; a late copy of landed rows: ${told(copy)}`,
    )
  },
}

export const unknownIsNotFound: Probe = {
  id: 'A7',
  assumption: 'A stream that does not exist is answered as not found, by Finalize, by GetWriteStream and by an append',
  async run(site) {
    const real = await site.createStream()
    const unknown = neighbourOf(real)
    const mark = site.mark()
    using appender = new Appender(site.streams, unknown)
    const finalize = await outcomeOf(site.streams.finalize(unknown, { signal: site.signal }))
    const exists = await outcomeOf(site.streams.exists(unknown, { signal: site.signal }))
    const append = await appender.ask(0, rowsOf(mark, 0, 1))
    for (const [what, { isAnswered, text }] of Object.entries({ Finalize: finalize, GetWriteStream: exists }))
      must(!isAnswered, `${what} of a stream that does not exist answered ${text}`)
    must(!hasLanded(append), `an append to a stream that does not exist was ${told(append)}`)
    const isAppendGone = isRefused(append, 'streamNotFound') || (append.kind === 'broken' && isGone(append.error))
    const observed = `Finalize: ${finalize.text}; GetWriteStream: ${exists.text}; append: ${told(append)}`
    return finalize.isGone && exists.isGone && isAppendGone ? holds(observed) : undecided(observed)
  },
}

/** As the stream's name but for its last letters: a name of the right form that nobody was given. */
const neighbourOf = (stream: StreamName): StreamName =>
  stream.replace(/.{4}$/, end => (end === 'AAAA' ? 'BBBB' : 'AAAA')) as StreamName

async function outcomeOf(call: Promise<unknown>): Promise<{ isAnswered: boolean; isGone: boolean; text: string }> {
  try {
    return { isAnswered: true, isGone: false, text: String(await call) }
  } catch (error) {
    return { isAnswered: false, isGone: isGone(error), text: reasonOf(error) }
  }
}

export const openIsFound: Probe = {
  id: 'A8',
  assumption: 'GetWriteStream finds a stream that can be appended to, also from another client',
  async run(site) {
    const stream = await site.createStream()
    await using client = await site.openClient()
    const found = await outcomeOf(client.streams.exists(stream, { signal: site.signal }))
    must(found.text === 'true', `GetWriteStream of an open stream answered ${found.text}`)
    await site.finalize(stream)
    const finalized = await outcomeOf(client.streams.exists(stream, { signal: site.signal }))
    return holds(`open: found; finalized: ${finalized.text === 'true' ? 'found all the same' : finalized.text}`)
  },
}

/** The last one: it drops the table. */
export const droppedTable: Probe = {
  id: 'B1',
  assumption: 'What the streams of a dropped table answer (nothing rests on it: rows went with the table)',
  async run(site: Site) {
    const mark = site.mark()
    const stream = await site.createStream()
    using open = new Appender(site.streams, stream)
    const first = await open.ask(0, rowsOf(mark, 0, 2))
    must(hasLanded(first), `the first append was answered with ${told(first)}`)
    await site.dropTable()
    await site.late()
    const append = await open.append(2, rowsOf(mark, 2, 1))
    const finalize = await outcomeOf(site.streams.finalize(stream, { signal: site.signal }))
    return noted(`append: ${told(append)}; Finalize: ${finalize.text}`)
  },
}
