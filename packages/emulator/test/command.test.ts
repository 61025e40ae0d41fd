// The command line: ready line, exit codes, messages.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { runEmulator } from '../src/index.ts'
import { endSpawned, spawnEmulator } from './command.ts'
import { Rest } from './harness.ts'

/** Runs it here until the signal, if given, aborts. */
async function run(args: string[], signal: AbortSignal = AbortSignal.abort()) {
  let out = ''
  let err = ''
  const code = await runEmulator(args, {
    signal,
    stdout: { write: text => (out += text) },
    stderr: { write: text => (err += text) },
  })
  return { code, out, err }
}
const FREE = ['--grpc-port', '0', '--rest-port', '0']

describe('the emulator command', () => {
  after(endSpawned)
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    it(`says it is ready and stops on ${signal} with exit code 0`, async () => {
      const running = spawnEmulator([...FREE, '--project', 'p', '--dataset', 'd'])
      const { rest } = await running.ready
      assert.equal((await new Rest(rest).api('GET', '/datasets/d')).status, 200)
      const { code, stdout, stderr } = await running.kill(signal)
      assert.deepEqual([code, stderr], [0, ''])
      assert.match(stdout, /^ready grpc=127\.0\.0\.1:\d+ rest=127\.0\.0\.1:\d+\n$/)
    })

  it('names the port that is taken and exits with 2', async () => {
    const squatter = createServer().listen(0, '127.0.0.1')
    await new Promise(resolve => squatter.once('listening', resolve))
    const { port } = squatter.address() as { port: number }
    const grpc = await run(['--grpc-port', String(port), '--rest-port', '0'])
    const rest = await run(['--grpc-port', '0', '--rest-port', String(port)])
    squatter.close()
    assert.equal(grpc.code, 2)
    assert.match(grpc.err, new RegExp(`Cannot listen for gRPC on 127\\.0\\.0\\.1:${port}`))
    assert.equal(rest.code, 2)
    assert.match(rest.err, new RegExp(`Cannot listen for REST on 127\\.0\\.0\\.1:${port}`))
  })

  const wrong: [args: string[], message: RegExp][] = [
    [['--grpc-port', 'x'], /--grpc-port must be a whole number/],
    [['--grpc-prot', '1'], /--grpc-prot/],
    [['--storage', 'paper'], /--storage must be duckdb or null/],
    [['--storage', 'null', '--data-dir', 'd'], /cannot go with --data-dir/],
    [['--project', 'p'], /--project and --dataset go together/],
    [['--tls-cert', 'c'], /--tls-cert and --tls-key go together/],
    [['--faults', '/no/such/file'], /--faults \/no\/such\/file: ENOENT/],
  ]
  for (const [args, message] of wrong)
    it(`refuses ${args.join(' ')}`, async () => {
      const { code, err } = await run([...args])
      assert.equal(code, 2)
      assert.match(err, message)
    })

  it('takes faults from a file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'faults-'))
    const file = join(folder, 'faults.json')
    writeFileSync(file, JSON.stringify([{ method: 'CreateWriteStream', code: 'RESOURCE_EXHAUSTED', every: 3 }]))
    const stop = new AbortController()
    const { promise: ready, resolve } = Promise.withResolvers<string>()
    const ended = runEmulator([...FREE, '--faults', file], { signal: stop.signal, stdout: { write: resolve } })
    const address = /rest=(\S+)/.exec(await ready)![1]!
    const { body } = await new Rest(address).call('GET', '/emulator/faults')
    assert.match(JSON.stringify(body), /RESOURCE_EXHAUSTED/)
    stop.abort()
    assert.equal(await ended, 0)
    rmSync(folder, { recursive: true })
  })
})
