// A real redis-server for tests and the demo: free port, loopback, own folder, nothing persisted.
import { connect } from 'node:net'
import { join } from 'node:path'
import { startChild, waitUntilReady } from './child.ts'
import { dataFolder } from './data-folder.ts'
import { freePort } from './free-port.ts'

const START_TIMEOUT_MS = 10_000
const BIND_ATTEMPTS_MAX = 3

export type Redis = {
  readonly url: string
  readonly port: number
  readonly pid: number
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Starts redis-server and resolves when it answers PING. */
export async function startRedis(
  options: { readonly args?: readonly string[]; readonly port?: number } = {},
): Promise<Redis> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(options.port ?? (await freePort()), options.args ?? [])
    } catch (error) {
      const portWasTaken = error instanceof Error && /Address already in use/.test(error.message)
      if (!portWasTaken || options.port !== undefined || attempt === BIND_ATTEMPTS_MAX) throw error
    }
  }
}

async function startOnce(port: number, extra: readonly string[]): Promise<Redis> {
  const data = dataFolder('redis')
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', data.path, '--save', '', '--appendonly', 'no']
  const child = await startChild({
    name: 'redis-server',
    command: 'redis-server',
    args: [...args, ...extra],
    logFile: join(data.path, 'redis.log'),
  })
  const stop = async (): Promise<void> => {
    await child.stop()
    await data.remove()
  }
  try {
    await waitUntilReady(child, START_TIMEOUT_MS, () => answersPing(port))
  } catch (error) {
    await stop()
    throw error
  }
  return { url: `redis://127.0.0.1:${port}`, port, pid: child.pid, stop, [Symbol.asyncDispose]: stop }
}

function answersPing(port: number): Promise<true | null> {
  return new Promise(resolve => {
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write('PING\r\n'))
    const finish = (answer: true | null): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(1_000, () => finish(null))
    socket.once('error', () => finish(null))
    // A server with a password answers NOAUTH: it answers, which is all we ask.
    socket.once('data', () => finish(true))
  })
}
