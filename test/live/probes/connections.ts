// A4 once more, where it matters: the answer was lost, or somebody else is on the stream.
import type { StreamName, WriteStreams } from '@millrace/core'
import { type Answer, Appender, hasLanded, isRefused, isTrouble, placeOf, told } from '../appender.ts'
import { appendAndDie } from '../doomed-writer.ts'
import { IN_FLIGHT } from '../keep-appending.ts'
import { holds, must, type Probe, undecided } from '../probe.ts'
import { rowsOf } from '../rows.ts'
import type { Site } from '../site.ts'
import { mustHold } from './appends.ts'

const ROWS = 3
/** Once so many of the repeated appends were new ones, nothing of the dead client is left to be found. */
const NEW_ONES = 3

export const lostAnswersAreFound: Probe = {
  id: 'A4b',
  assumption:
    'What a killed client had on the wire, sent again at the same offsets, ends as one copy: acknowledged or ALREADY_EXISTS',
  async run(site) {
    const mark = site.mark()
    const stream = await site.createStream()
    const acknowledged = await appendAndDie({ service: site.service, stream, mark, rowsPerBatch: ROWS }, 5)
    await site.late()
    const there = await site.count(mark)
    let found = 0
    let appended = 0
    let staleMs = 0
    let batch = acknowledged
    for (; appended < NEW_ONES; batch++) {
      const firstRow = batch * ROWS
      const { answer, waitedMs } = await appendUntilTaken(site, stream, firstRow, mark)
      staleMs = Math.max(staleMs, waitedMs)
      if (isRefused(answer, 'alreadyExists')) {
        must(firstRow < there + IN_FLIGHT * ROWS, `offset ${firstRow} was taken although only ${there} rows were there`)
        found++
      } else {
        must(hasLanded(answer), `rows for offset ${firstRow}, sent again, were answered with ${told(answer)}`)
        appended++
      }
    }
    await mustHold(site, stream, mark, batch * ROWS)
    const wait = staleMs > 0 ? `; the right offset was refused for ${Math.round(staleMs)} ms first` : ''
    const observed = `${acknowledged} appends acknowledged to the dead client, ${found} more found there, ${appended} appended${wait}`
    return found > 0 ? holds(observed) : undecided(`${observed}: none had landed without its answer`)
  },
}

/**
 * The end of a stream may be stale for some seconds after a connection is gone (Google's own tests wait five), so OUT_OF_RANGE
 * for the right offset is asked again, as a lane does.
 */
async function appendUntilTaken(
  site: Site,
  stream: StreamName,
  firstRow: number,
  mark: string,
): Promise<{ answer: Answer; waitedMs: number }> {
  const startedMs = performance.now()
  for (let attempt = 1; ; attempt++) {
    using appender = new Appender(site.streams, stream)
    const answer = await appender.append(firstRow, rowsOf(mark, firstRow, ROWS))
    const waitedMs = performance.now() - startedMs
    if (!isTrouble(answer) && !isRefused(answer, 'outOfRange')) return { answer, waitedMs: attempt > 1 ? waitedMs : 0 }
    must(
      waitedMs < site.pace.staleMs,
      `the right offset ${firstRow} was still answered with ${told(answer)} after ${Math.round(waitedMs)} ms`,
    )
    await site.sleep(Math.min(500, site.pace.staleMs / 4))
  }
}

export const twoConnectionsShare: Probe = {
  id: 'A4c',
  assumption: 'Two connections on one stream write no row twice and lose none, whichever of them the service prefers',
  async run(site) {
    const mark = site.mark()
    const stream = await site.createStream()
    await using client = await site.openClient()
    const { byNewer, byOlder } = await appendInTurns(site, client.streams, stream, mark)
    // Whatever was refused or cut off is sent again, in order, by a third.
    for (const batch of [1, 2]) {
      const { answer } = await appendUntilTaken(site, stream, batch * ROWS, mark)
      must(
        hasLanded(answer) || isRefused(answer, 'alreadyExists'),
        `rows for offset ${batch * ROWS}, sent again, were answered with ${told(answer)}`,
      )
    }
    await mustHold(site, stream, mark, 3 * ROWS)
    const say = (answer: Answer): string => (hasLanded(answer) ? 'accepted' : `${told(answer)}, ${placeOf(answer)}`)
    return holds(`the newer was ${say(byNewer)}; the older then ${say(byOlder)}; ${3 * ROWS} rows`)
  },
}

/** One row range by the older connection, the next by the newer, one more by the older; both are closed. */
async function appendInTurns(
  site: Site,
  others: WriteStreams,
  stream: StreamName,
  mark: string,
): Promise<{ readonly byNewer: Answer; readonly byOlder: Answer }> {
  using older = new Appender(site.streams, stream)
  using newer = new Appender(others, stream)
  const first = await older.ask(0, rowsOf(mark, 0, ROWS))
  must(hasLanded(first), `the first append was answered with ${told(first)}`)
  const byNewer = await newer.append(ROWS, rowsOf(mark, ROWS, ROWS))
  const firstRow = (hasLanded(byNewer) ? 2 : 1) * ROWS
  return { byNewer, byOlder: await older.append(firstRow, rowsOf(mark, firstRow, ROWS)) }
}
