// Rows about the machine a worker runs on and about who asks it: disk, descriptors, clocks, callers that do not go away; and many
// partitions that move at once.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ask, LEASE_TTL_MS, range } from '../../e2e/support/stage.ts'
import type { Row } from '../row.ts'
import { type ChaosStage, GROUP, type Seat } from '../stage.ts'

const HOUR_MS = 3_600_000
const FEW_DESCRIPTORS = 2
const IDLE = 300
const LANES = 500
const LANES_SCALED = 90
/** stream.create.burst. */
const BURST = 40
const BUSY_MACHINE_MS = 20_000

/** A row of the matrix that runs nowhere; a run names it as skipped, with the reason. */
const leftOut = (id: string, name: string, why: string): Row => ({
  id,
  name,
  how: 'not injected',
  missing: () => why,
  run: () => Promise.reject(new Error(why)),
})

export const MACHINE_ROWS: readonly Row[] = [
  {
    id: '46',
    name: 'disk full',
    how: 'the folder a worker logs to is a tmpfs of 1 MB, which is filled to the last byte',
    missing: () => (canMount() ? null : 'needs root, for mount -t tmpfs'),
    async run(scene) {
      const { stage } = scene
      const seat = await scene.victim()
      await seat.end()
      const folder = mkdtempSync(join(tmpdir(), 'millrace-full-'))
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder])
      try {
        await stage.startAt(seat, { dataDir: folder })
        await scene.owned(seat)
        scene.hit('bytes refused', fill(join(folder, 'filler')))
        const { rest } = seat.worker ?? {}
        const { status } = await ask('PUT', `${rest}/admin/loggers/root`, { level: 'DEBUG' })
        assert.equal(status, 200)
        // Something to log: what it works on comes and goes.
        for (const action of ['pause', 'resume'] as const) {
          assert.equal((await stage.rest('PUT', `/connectors/${scene.name}/${action}`)).status, 202)
          const state = action === 'pause' ? 'PAUSED' : 'RUNNING'
          await stage.until(`all are ${state}`, async () =>
            (await scene.partitions()).every(p => p.state === state) ? true : null,
          )
        }
        await scene.untilFresh()
        assert.ok(seat.isRunning, 'the worker lives')
        await seat.end()
      } finally {
        if (seat.worker?.child.exit() === null) await seat.kill()
        execFileSync('umount', [folder])
        rmSync(folder, { recursive: true })
      }
    },
  },
  {
    id: '47',
    name: 'no more file descriptors',
    how: 'prlimit --nofile to two above the first of its sockets; then its connections are cut, and callers take what becomes free',
    scaled: '2 × TTL',
    missing: () => (runs('prlimit', ['--version']) ? null : 'needs prlimit (util-linux)'),
    async run(scene) {
      const seat = await scene.victim()
      const prlimit = (...args: readonly string[]): string =>
        execFileSync('prlimit', ['--pid', String(seat.pid), ...args], { encoding: 'utf8' })
      const usual = prlimit('--nofile', '--output', 'SOFT', '--noheadings').trim()
      // The limit is on the number of a descriptor. What it has above stays open until it is cut, and then finds no place any more.
      const limit = Math.min(...socketsOf(seat.pid)) + FEW_DESCRIPTORS
      const others = (await scene.partitions()).filter(p => p.worker !== seat.workerId).map(p => p.partition)
      prlimit(`--nofile=${limit}:`)
      const sockets = await idle(seat, IDLE) // whatever becomes free is theirs
      try {
        seat.isCutOff = true
        for (const link of seat.allLinks) link.cutAll()
        const since = performance.now()
        let looks = 0
        while (performance.now() - since < scene.lasting(60_000, 2 * LEASE_TTL_MS)) {
          await scene.untilFresh(others)
          if (descriptorsOf(seat.pid).filter(fd => fd < limit).length === limit) looks++
        }
        scene.hit('looks at a process without a free descriptor', looks)
      } finally {
        prlimit(`--nofile=${usual}:`)
        for (const socket of sockets) socket.destroy()
      }
      assert.ok(seat.isRunning, 'the worker lives')
      seat.isCutOff = false
      const back = performance.now()
      await scene.untilRecovered(back)
      await scene.owned(seat)
    },
  },
  leftOut('47b', 'no more outgoing ports', 'needs a network namespace: else ports run out for the whole machine'),
  {
    id: '48',
    name: 'clocks that are wrong',
    how: 'one worker is an hour ahead, one an hour behind, one runs twice as fast (Date.now of the process)',
    scaled: '4 × TTL',
    async run(scene) {
      const { stage } = scene
      const clocks = [
        { CLOCK_SHIFT_MS: String(HOUR_MS) },
        { CLOCK_SHIFT_MS: String(-HOUR_MS) },
        { CLOCK_RATE: '2' },
      ] as const
      for (const [i, seat] of stage.seats.entries()) {
        await seat.end()
        await stage.startAt(seat, { env: { ...process.env, ...clocks[i] } })
        const { body } = await stage.rest('GET', '/api/v1/workers')
        const shown = (body as { workers: { worker: string; started_at_ms: number }[] }).workers
        const started = shown.find(each => each.worker === seat.workerId)?.started_at_ms ?? Date.now()
        scene.hit('workers in another hour', Math.abs(started - Date.now()) > HOUR_MS / 2 ? 1 : 0)
      }
      for (const seat of stage.seats) await scene.owned(seat)
      await scene.untilSettled()
      const before = await scene.epochs()
      const since = performance.now()
      while (performance.now() - since < scene.lasting(60_000, 4 * LEASE_TTL_MS)) await scene.untilFresh()
      assert.deepEqual(await scene.untilKnown(), before, 'every claim is the one it was')
      // And a lease ends when it should, whoever counts the hours.
      const seat = await scene.victim()
      const owned = await scene.owned(seat)
      const killed = performance.now()
      await seat.kill()
      await scene.untilTakenOver(killed, owned)
      // Others are to find the usual clocks.
      for (const each of stage.running) await each.end()
    },
  },
  leftOut(
    '48b',
    'monotonic clock shifted (unshare -T)',
    'a time namespace shifts it by a constant, from the start of a process on: a worker, which only subtracts, cannot tell',
  ),
  {
    id: '50',
    name: 'callers of the REST API that do not read and do not go',
    how: 'idle connections, requests that never end, and answers nobody reads, on one worker',
    scaled: '1,000 connections; --full: 10,000',
    async run(scene) {
      const seat = await scene.victim()
      const sockets = await idle(seat, scene.isFull ? 10_000 : 1_000)
      try {
        for (const [i, socket] of sockets.entries()) {
          socket.pause()
          if (i % 3 === 1) socket.write('POST /connectors HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{')
          if (i % 3 === 2)
            for (let n = 0; n < 20; n++) socket.write('GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n')
        }
        scene.hit('connections', sockets.length)
        await scene.untilFresh()
        await scene.sleep(2 * LEASE_TTL_MS)
        await scene.untilFresh()
        assert.ok(seat.isRunning, 'the worker lives')
      } finally {
        for (const socket of sockets) socket.destroy()
      }
      const { status } = await ask('GET', `${seat.worker?.rest}/connectors`)
      assert.equal(status, 200, 'it answers')
    },
  },
  {
    id: '52',
    name: 'hundreds of lanes fail over at once',
    how: 'two of three workers are killed; every stream of theirs is created anew through the ramp',
    scaled: `${LANES_SCALED} lanes; --full: ${LANES}`,
    scene: { partitions: LANES_SCALED, rowsPerSend: LANES_SCALED, fullPartitions: LANES },
    patienceMs: 240_000,
    async run(scene) {
      const { stage } = scene
      const leader = await stage.leader()
      const victims = stage.running.filter(seat => seat !== leader)
      const lost = (await Promise.all(victims.map(seat => scene.owned(seat)))).flat()
      const streams = (await stage.streams(scene.table)).length
      // What was created a moment ago, and rows before this one, have left their mark on the ramp.
      const before = await ramp(stage)
      const waitedMs = waitedForCpuMs(leader.pid)
      const since = performance.now()
      await Promise.all(victims.map(seat => seat.kill()))
      const delays = await scene.delays(since, lost, 240_000)
      scene.takeoverMs.push(...delays.values())
      const created = (await stage.streams(scene.table)).length - streams
      scene.hit('lanes that failed over', lost.length)
      scene.hit('streams created', created)
      const beyond = Math.floor(created - before.atOnce)
      scene.hit('of them beyond the burst', beyond)
      const perSec = Math.min(before.perSec, (await ramp(stage)).perSec)
      const most = LEASE_TTL_MS + 2_000 + (beyond / perSec) * 1_000
      // The one worker that is left claims all of them: on a busy machine it mostly waits for its turn.
      const starvedMs = waitedForCpuMs(leader.pid) - waitedMs
      const took = Math.max(...delays.values())
      assert.ok(
        took < most + starvedMs + BUSY_MACHINE_MS,
        `the last lane took ${took} ms; by the formula ${most}: ${beyond} streams beyond the burst, ${perSec} permits per second; ` +
          `${starvedMs} ms of it the worker waited for a processor`,
      )
    },
  },
]

const descriptorsOf = (pid: number): readonly number[] => readdirSync(`/proc/${pid}/fd`).map(Number)
const socketsOf = (pid: number): readonly number[] =>
  descriptorsOf(pid).filter(fd => {
    try {
      return fd > 2 && readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('socket:')
    } catch {
      return false // closed meanwhile
    }
  })

/** Connections to the REST API of a worker that say nothing. */
async function idle(seat: Seat, count: number): Promise<readonly Socket[]> {
  const { hostname: host, port } = new URL(seat.worker?.rest ?? '')
  const open = (): Promise<Socket | null> =>
    new Promise(resolve => {
      const socket = connect({ host, port: Number(port) }, () => resolve(socket))
      socket.on('error', () => resolve(null))
    })
  const sockets = await Promise.all(range(0, count).map(open))
  return sockets.filter(socket => socket !== null)
}

/** How long the main thread of a process was ready to run and did not; 0 where the kernel does not count it. */
function waitedForCpuMs(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6
  } catch {
    return 0
  }
}

/** How many streams the cluster may create now, and then per second; the hash is that of stream-ramp-1.lua. */
async function ramp(stage: ChaosStage): Promise<{ readonly atOnce: number; readonly perSec: number }> {
  const answer = await stage.redisCommand(`HMGET ${GROUP}:ramp tokens refilledAtMs permitsPerSec`)
  const [tokens, refilledAtMs, perSec] = answer
    .split('\r\n')
    .filter(line => /^\d/.test(line))
    .map(Number)
  assert.ok(tokens !== undefined && refilledAtMs !== undefined && perSec !== undefined, answer)
  return { atOnce: Math.min(BURST, tokens + ((Date.now() - refilledAtMs) / 1_000) * perSec), perSec }
}

/** Writes until nothing more fits; answers how much did not. */
function fill(path: string): number {
  let text = ''
  for (let size = 65_536; size >= 1; size = Math.floor(size / 2))
    for (;;) {
      try {
        writeFileSync(path, 'x'.repeat(size), { flag: 'a' })
        text = ''
      } catch {
        text = 'x'.repeat(size)
        break
      }
    }
  return text.length
}

function runs(command: string, args: readonly string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

function canMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-mount-'))
  try {
    if (!runs('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder])) return false
    return runs('umount', [folder])
  } finally {
    rmSync(folder, { recursive: true })
  }
}
