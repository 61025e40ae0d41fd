// What `npm test` runs of the matrix: five faults in one scene, on one stage.
import assert from 'node:assert/strict'
import type { Row } from '../row.ts'

const LOST_REPLIES = 5

export const SHORT_ROW: Row = {
  id: 'short',
  name: 'Redis wiped, append replies lost, connections cut; a worker killed and another frozen',
  how: 'one after another on one connector under load, the last two at the same time',
  async run(scene) {
    const { stage } = scene
    assert.match(await stage.redisCommand('FLUSHALL'), /^\+OK/)
    scene.hit('wipes')
    await scene.untilFresh()

    await stage.fault({ effect: 'closeAfterApply', every: 10, times: LOST_REPLIES })
    await stage.until('append replies are lost', async () =>
      (await firedFaults(scene.stage)) >= LOST_REPLIES ? true : null,
    )
    scene.hit('append replies lost', LOST_REPLIES)
    const links = stage.seats.flatMap(seat => seat.allLinks)
    const cut = (): number => links.reduce((sum, link) => sum + link.counts.cut, 0)
    const before = cut()
    for (const link of links) link.cutAll()
    scene.hit('connections cut', cut() - before)
    await scene.untilFresh()

    const leader = await stage.leader()
    const [dead, frozen] = stage.seats.filter(seat => seat !== leader)
    assert.ok(dead !== undefined && frozen !== undefined)
    const owned = [...(await scene.owned(dead)), ...(await scene.owned(frozen))]
    const since = performance.now()
    frozen.freeze()
    await dead.kill()
    await scene.untilTakenOver(since, owned)
    scene.hit('partitions recovered', await scene.untilRecoveries(owned))
    frozen.thaw()
  },
}

async function firedFaults(stage: {
  askEmulator(method: string, path: string): Promise<{ body: unknown }>
}): Promise<number> {
  const { body } = await stage.askEmulator('GET', '/emulator/faults')
  const { faults } = body as { readonly faults: readonly { readonly fired: number }[] }
  return faults.reduce((sum, each) => sum + each.fired, 0)
}
