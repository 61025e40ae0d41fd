// How the rows about BigQuery ask the emulator: faults on the table of a row, with what they hit; the calls and streams there are;
// and a worker whose appends may stay unanswered for seconds only.
import assert from 'node:assert/strict'
import type { Scene } from './scene.ts'
import type { ChaosStage, Seat } from './stage.ts'

/** How long an append may stay unanswered where production says 60 s. */
const APPEND_DEADLINE_MS = 4_000

/** Keys of packages/emulator/docs/faults.md. */
export type FaultSpec = Readonly<Record<string, unknown>>

export type Fault = {
  /** How often it hit. */
  fired(): Promise<number>
  /** How many calls it could have hit. */
  seen(): Promise<number>
  untilFired(times: number): Promise<number>
  drop(): Promise<void>
}

/** A fault on calls for the row's table and its streams. */
export async function setFault({ stage, table }: Scene, spec: FaultSpec): Promise<Fault> {
  const { body } = await stage.askEmulator('POST', '/emulator/faults', { table, ...spec })
  const [id] = (body as { ids: readonly number[] }).ids
  assert.ok(id !== undefined)
  const counts = async (): Promise<{ readonly seen: number; readonly fired: number }> => {
    const { body } = await stage.askEmulator('GET', '/emulator/faults')
    const { faults } = body as { faults: readonly { id: number; seen: number; fired: number }[] }
    const mine = faults.find(each => each.id === id)
    assert.ok(mine !== undefined, 'the fault is set')
    return mine
  }
  return {
    fired: async () => (await counts()).fired,
    seen: async () => (await counts()).seen,
    untilFired: times =>
      stage.until(`${JSON.stringify(spec)} hits ${times} times`, async () => {
        const { fired } = await counts()
        return fired >= times ? fired : null
      }),
    drop: async () => void (await stage.askEmulator('DELETE', `/emulator/faults/${id}`)),
  }
}

/** Knobs and quotas of the emulator; the end of a row sets them back. */
export async function setBehavior(stage: ChaosStage, patch: FaultSpec): Promise<void> {
  await stage.askEmulator('PATCH', '/emulator/behavior', patch)
}

/** AppendRows calls open on the row's table, with how many requests of each have no answer. */
export async function openCalls({ stage, table }: Scene): Promise<readonly { readonly inFlight: number }[]> {
  const { body } = await stage.askEmulator('GET', `/emulator/state?table=${table}`)
  return (body as { connections: readonly { inFlight: number }[] }).connections
}

/** Streams of the row's table that there are, with the rows in them. */
export async function streamsOf({
  stage,
  table,
}: Scene): Promise<readonly { readonly name: string; readonly rows: number }[]> {
  const { body } = await stage.askEmulator('GET', `/emulator/state?table=${table}`)
  const { streams } = body as { streams: readonly { name: string; rows: string }[] }
  return streams
    .map(({ name, rows }) => ({ name, rows: Number(rows) }))
    .filter(each => !each.name.endsWith('/_default'))
}

/** The streams that lanes of these partitions write to now. */
export async function streamsInUse(scene: Scene, partitions: readonly number[]): Promise<readonly string[]> {
  return await scene.stage.until(`partitions ${partitions} have streams`, async () => {
    const shown = (await scene.partitions()).filter(p => partitions.includes(p.partition))
    return shown.length > 0 && shown.every(p => p.streams.length > 0) ? shown.flatMap(p => p.streams) : null
  })
}

/** A worker with partitions whose appends are overdue after seconds; with --full after the minute of production. */
export async function shortOfPatience(scene: Scene): Promise<{ readonly seat: Seat; readonly deadlineMs: number }> {
  const deadlineMs = scene.lasting(60_000, APPEND_DEADLINE_MS)
  const seat = await scene.victim()
  await seat.end()
  await scene.stage.startAt(seat, { env: { ...process.env, APPEND_DEADLINE_MS: String(deadlineMs) } })
  await scene.owned(seat)
  await scene.untilSettled()
  return { seat, deadlineMs }
}

/** Rows go on arriving from every partition for so long. */
export async function keepFresh(scene: Scene, ms: number, of?: readonly number[]): Promise<void> {
  const since = performance.now()
  while (performance.now() - since < ms) await scene.untilFresh(of)
}

/** Nobody claims anything anew while `during` lasts: what went wrong was set right within the claims there are. */
export async function withinItsClaims(scene: Scene, during: () => Promise<unknown>): Promise<void> {
  await scene.untilSettled()
  const before = await scene.epochs()
  await during()
  assert.deepEqual(await scene.untilKnown(), before, 'every claim is the one it was')
}

/** A worker is killed, its partitions are taken over, and another takes its seat. */
export async function failOver(scene: Scene): Promise<void> {
  const seat = await scene.victim()
  const owned = await scene.owned(seat)
  const since = performance.now()
  await seat.kill()
  await scene.untilTakenOver(since, owned)
  await scene.stage.startAt(seat)
  await scene.untilSettled()
}
