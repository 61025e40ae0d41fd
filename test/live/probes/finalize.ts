// A1 and A2: the count that a takeover goes by.
import type { StreamName, WriteStreams } from '@millrace/core'
import { type Answer, Appender, hasLanded, isFinalized, told } from '../appender.ts'
import { appendAndDie } from '../doomed-writer.ts'
import { keepAppending } from '../keep-appending.ts'
import { type Finding, holds, must, type Probe, reasonOf, undecided } from '../probe.ts'
import { rowsOf } from '../rows.ts'
import type { Site } from '../site.ts'

const ROWS = 5

export const finalizeRepeats: Probe = {
  id: 'A1',
  assumption: 'FinalizeWriteStream answers the number of rows, and the same count whenever it is asked again',
  async run(site) {
    const mark = site.mark()
    const seen: string[] = []
    for (const rowCount of [0, 7]) {
      const stream = await site.createStream()
      if (rowCount > 0) {
        using appender = new Appender(site.streams, stream)
        const answer = await appender.ask(0, rowsOf(mark, 0, rowCount))
        must(hasLanded(answer), `the first append of a stream was answered with ${told(answer)}`)
      }
      const counts = await countRepeatedly(site, stream)
      const wrong = counts.findIndex(count => count !== BigInt(rowCount))
      must(wrong < 0, `asked ${wrong + 1} times, ${counts[wrong]} rows instead of ${rowCount}`)
      seen.push(`${rowCount} rows: ${counts.length} times ${rowCount}`)
    }
    return holds(seen.join('; '))
  },
}

/** One after another, two at once from two clients, and once more later. */
async function countRepeatedly(site: Site, stream: StreamName): Promise<readonly bigint[]> {
  await using other = await site.openClient()
  const ask = async (streams?: WriteStreams): Promise<bigint> => await site.finalize(stream, streams)
  const counts: bigint[] = [await ask()]
  try {
    counts.push(await ask(), ...(await Promise.all([ask(), ask(other.streams)])))
    await site.late()
    counts.push(await ask())
  } catch (error) {
    must(false, `once it had answered ${counts[0]} rows, asking again failed: ${reasonOf(error)}`)
  }
  return counts
}

export const finalizeIsOrdered: Probe = {
  id: 'A2a',
  assumption: 'Finalize is ordered with appends in flight: none lands behind the count it returned',
  async run(site) {
    const races: Race[] = []
    await using other = await site.openClient()
    for (let round = 0; round < site.pace.rounds; round++) races.push(await race(site, other.streams, 1 + round * 6))
    await site.late()
    for (const { stream, mark, count } of races) await mustStillBe(site, stream, mark, count)
    const refused = races.map(race => race.refused)
    const observed = `counted ${races.map(({ count }) => count).join(', ')} rows, these were there then and later, and no other; ${refused.join(', ')} appends on the wire were refused`
    return refused.some(n => n > 0) ? holds(observed) : undecided(`${observed}: Finalize never overtook one`)
  },
}

type Race = {
  readonly stream: StreamName
  readonly mark: string
  readonly count: bigint
  /** Appends that were on the wire and refused. */
  readonly refused: number
}

/** Appends without a pause, finalizes from another client meanwhile, and compares every answer with the count. */
async function race(site: Site, other: WriteStreams, acknowledgedFirst: number): Promise<Race> {
  const mark = site.mark()
  const stream = await site.createStream()
  using appender = new Appender(site.streams, stream)
  const enough = Promise.withResolvers<void>()
  let acknowledged = 0
  const counted = new AbortController()
  const onAcknowledged = (): void => {
    if (++acknowledged === acknowledgedFirst) enough.resolve()
  }
  const rows = { mark, perBatch: ROWS }
  const appending = keepAppending(appender, rows, onAcknowledged, { until: counted.signal })
  void appending.then(() => enough.resolve())
  await enough.promise
  const count = await site.finalize(stream, other).finally(() => counted.abort())
  must(count % BigInt(ROWS) === 0n, `Finalize counted ${count} rows, inside an append of ${ROWS}`)
  let refused = 0
  for (const { firstRow, answer } of await appending) {
    const isCounted = BigInt(firstRow) < count
    if (hasLanded(answer))
      must(isCounted, `rows at ${firstRow} were ${told(answer)} although Finalize counted ${count}`)
    else {
      must(isEnd(answer), `rows at ${firstRow} were answered with ${told(answer)}`)
      must(
        answer.kind === 'broken' || !isCounted,
        `rows at ${firstRow} were refused although Finalize counted ${count}`,
      )
      refused++
    }
  }
  await mustStillBe(site, stream, mark, count)
  return { stream, mark, count, refused }
}

/** After the refusal of one append those behind it may also be told that they are too far ahead. */
const isEnd = (answer: Answer): boolean =>
  isFinalized(answer) || answer.kind === 'broken' || (answer.kind === 'refused' && answer.refusal.kind === 'outOfRange')

export const finalizeAfterAKill: Probe = {
  id: 'A2b',
  assumption: 'The same after a client was killed with appends on the wire: what lands late is refused',
  async run(site): Promise<Finding> {
    const mark = site.mark()
    const stream = await site.createStream()
    const doomed = { service: site.service, stream, mark, rowsPerBatch: ROWS }
    const acknowledged = await appendAndDie(doomed, 10)
    const count = await site.finalize(stream)
    must(count % BigInt(ROWS) === 0n, `Finalize counted ${count} rows, inside an append of ${ROWS}`)
    must(
      count >= BigInt(acknowledged * ROWS),
      `${acknowledged * ROWS} rows were acknowledged, Finalize counted ${count}`,
    )
    await mustStillBe(site, stream, mark, count)
    await site.late()
    await mustStillBe(site, stream, mark, count)
    return holds(
      `${acknowledged} appends of ${ROWS} rows acknowledged when the client died; ${count} rows counted, then and later, and there`,
    )
  },
}

async function mustStillBe(site: Site, stream: StreamName, mark: string, count: bigint): Promise<void> {
  const again = await site.finalize(stream)
  must(again === count, `Finalize counted ${count} rows, and ${again} when asked again`)
  const visible = await site.count(mark)
  must(visible === Number(count), `Finalize counted ${count} rows, a query sees ${visible}`)
}
