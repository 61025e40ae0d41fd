// A3, A4 and A6: what an answer to an append says about the rows.
import { Appender, hasLanded, isRefused, told } from '../appender.ts'
import { holds, must, type Probe } from '../probe.ts'
import { rowsOf } from '../rows.ts'
import type { Site } from '../site.ts'

export const refusedLeavesNothing: Probe = {
  id: 'A3',
  assumption: 'A refused append leaves no row, an append is all or nothing, and nothing behind a refused one lands',
  async run(site) {
    const mark = site.mark()
    const stream = await site.createStream()
    using appender = new Appender(site.streams, stream)
    // All on the wire at once: the third would fit if the second had landed, the fourth if all before it had.
    const [first, bad, behind, ahead] = await Promise.all([
      appender.ask(0, rowsOf(mark, 0, 3)),
      appender.ask(3, rowsOf(mark, 3, 4, [1, 3])),
      appender.ask(7, rowsOf(mark, 7, 2)),
      appender.ask(9, rowsOf(mark, 9, 1)),
    ])
    must(hasLanded(first), `the first append was answered with ${told(first)}`)
    must(bad.kind === 'refused' && bad.refusal.kind === 'rowErrors', `bad rows were answered with ${told(bad)}`)
    const named = bad.refusal.rows.map(({ index }) => index)
    must(named.join() === '1,3', `rows 1 and 3 were bad, the service named ${named.join()}`)
    for (const answer of [behind, ahead])
      must(isRefused(answer, 'outOfRange'), `an append behind a refused one was answered with ${told(answer)}`)
    const good = await appender.ask(3, rowsOf(mark, 3, 2))
    must(hasLanded(good), `the offset of a refused append was answered with ${told(good)}`)
    await mustHold(site, stream, mark, 5)
    return holds(`refused whole, both bad rows named, successors OUT_OF_RANGE, the offset free for other rows; 5 rows`)
  },
}

export const offsetsDecide: Probe = {
  id: 'A4a',
  assumption:
    'An offset that is taken answers ALREADY_EXISTS, one ahead OUT_OF_RANGE, in-band; the right one is acknowledged as itself',
  async run(site) {
    const mark = site.mark()
    const stream = await site.createStream()
    using appender = new Appender(site.streams, stream)
    const first = await appender.ask(0, rowsOf(mark, 0, 5))
    must(hasLanded(first) && first.offset === 0n, `rows for offset 0 were answered with ${told(first)}`)
    const taken = {
      'the same rows again': await appender.ask(0, rowsOf(mark, 0, 5)),
      'other rows at a taken offset': await appender.ask(0, rowsOf(mark, 100, 3)),
      'rows that overlap the end': await appender.ask(3, rowsOf(mark, 3, 5)),
    }
    for (const [what, answer] of Object.entries(taken))
      must(isRefused(answer, 'alreadyExists'), `${what} were answered with ${told(answer)}`)
    const ahead = await appender.ask(9, rowsOf(mark, 9, 1))
    must(isRefused(ahead, 'outOfRange'), `rows ahead of the end were answered with ${told(ahead)}`)
    const next = await appender.ask(5, rowsOf(mark, 5, 5))
    must(hasLanded(next) && next.offset === 5n, `rows for offset 5 were answered with ${told(next)}`)
    await using client = await site.openClient()
    using elsewhere = new Appender(client.streams, stream)
    const copy = await elsewhere.ask(5, rowsOf(mark, 5, 5))
    must(isRefused(copy, 'alreadyExists'), `a copy from another client was answered with ${told(copy)}`)
    await mustHold(site, stream, mark, 10)
    return holds(
      'a copy, other rows, an overlap and a copy from elsewhere ALREADY_EXISTS, one ahead OUT_OF_RANGE; 10 rows',
    )
  },
}

export const acknowledgedIsVisible: Probe = {
  id: 'A6',
  assumption: 'A row is visible to queries when its append is acknowledged',
  async run(site) {
    const mark = site.mark()
    const stream = await site.createStream()
    using appender = new Appender(site.streams, stream)
    const batches = 3
    for (let batch = 0; batch < batches; batch++) {
      const answer = await appender.ask(batch * 4, rowsOf(mark, batch * 4, 4))
      must(hasLanded(answer), `rows for offset ${batch * 4} were answered with ${told(answer)}`)
      const visible = await site.count(mark)
      must(
        visible === (batch + 1) * 4,
        `${(batch + 1) * 4} rows were acknowledged, a query right after sees ${visible}`,
      )
    }
    return holds(`${batches} times a query right after the acknowledgement saw its rows`)
  },
}

/** Counted by Finalize and by a query, at once and later. */
export async function mustHold(
  site: Site,
  stream: Parameters<Site['finalize']>[0],
  mark: string,
  rows: number,
): Promise<void> {
  for (const isLate of [false, true]) {
    if (isLate) await site.late()
    const count = await site.finalize(stream)
    must(count === BigInt(rows), `${rows} rows should be there, Finalize counted ${count}`)
    const visible = await site.count(mark)
    must(visible === rows, `${rows} rows should be there, a query sees ${visible}`)
  }
}
