import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, startRedis } from '../src/index.ts'

const index = new URL('../src/index.ts', import.meta.url).href

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function until(condition: () => boolean, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!condition()) {
    assert.ok(performance.now() < deadline, `the condition did not come true within ${timeoutMs} ms`)
    await sleep(20)
  }
}

const accepts = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })

test('redis-server answers once it is started, and is gone once it is stopped', async () => {
  const redis = await startRedis()
  assert.equal(await accepts(redis.port), true)
  await redis.stop()
  assert.equal(isAlive(redis.pid), false)
  assert.equal(await accepts(redis.port), false)
})

test('a process stopped by SIGSTOP is ended all the same', async () => {
  const redis = await startRedis()
  process.kill(redis.pid, 'SIGSTOP')
  await redis.stop()
  assert.equal(isAlive(redis.pid), false)
})

for (const signal of ['SIGKILL', 'SIGTERM', 'SIGINT'] as const) {
  test(`what a process started dies with it on ${signal}, and its data folder is removed`, async () => {
    const program = `
      import { dataFolder, startRedis } from ${JSON.stringify(index)}
      const folder = dataFolder('guard-test')
      const redis = await startRedis()
      console.log(JSON.stringify({ pid: redis.pid, folder: folder.path }))
      setInterval(() => {}, 1000)
    `
    const parent = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const line = await new Promise<string>(resolve => parent.stdout.once('data', chunk => resolve(String(chunk))))
    const { pid, folder } = JSON.parse(line) as { pid: number; folder: string }
    assert.ok(isAlive(pid) && existsSync(folder))
    parent.kill(signal)
    await until(() => !isAlive(pid) && !existsSync(folder), 5_000)
  })
}

test('ports are handed out once each', async () => {
  const ports = await Promise.all(Array.from({ length: 50 }, () => freePort()))
  assert.equal(new Set(ports).size, ports.length)
})

test('a program that ends before it is ready fails the start, with the end of its log', async () => {
  await assert.rejects(
    startRedis({ args: ['--no-such-option', 'x'] }),
    /redis-server ended before it was ready[\s\S]*no-such-option/,
  )
})
