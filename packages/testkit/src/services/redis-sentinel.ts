// Redis as it is run where one server is not enough: a primary, a replica that copies it, and a sentinel that makes the
// replica primary when the primary is gone. Clients reach whoever is primary through a proxy that asks the sentinel.
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type Child, startChild, waitUntilReady } from './child.ts'
import { dataFolder } from './data-folder.ts'
import { freePort } from './free-port.ts'

const START_TIMEOUT_MS = 10_000
const ASK_TIMEOUT_MS = 1_000
const DOWN_AFTER_MS = 1_000
const FAILOVER_TIMEOUT_MS = 5_000
const NAME = 'millrace'

export type RedisNode = {
  readonly port: number
  readonly folder: string
  child(): Child
  /** One inline command, its answer as it stands on the wire; null when nobody answers. */
  ask(command: string): Promise<string | null>
  /** After it was killed: on the same port, with the same folder. */
  restart(): Promise<void>
}

export type RedisSentinel = {
  readonly nodes: readonly [RedisNode, RedisNode]
  /** Whom the sentinel calls primary; the last known one while it does not answer. */
  primary(): Promise<RedisNode>
  /** Without asking: as of the last look, at most a few hundred milliseconds ago. */
  readonly primaryPort: number
  /** Nobody is made primary while it is off. */
  setFailover(isOn: boolean): void
  stop(): Promise<void>
}

/** @param options.lookEveryMs how often the sentinel is asked who is primary */
export async function startRedisSentinel(
  options: { readonly lookEveryMs?: number; readonly onMoved?: (port: number) => void } = {},
): Promise<RedisSentinel> {
  const data = dataFolder('redis-sentinel')
  const children = new Map<string, Child>()
  const launch = async (name: string, port: number, args: readonly string[]): Promise<void> => {
    const logFile = join(data.path, `${name}.log`)
    const child = await startChild({ name, command: 'redis-server', args, logFile })
    children.set(name, child)
    await waitUntilReady(child, START_TIMEOUT_MS, async () => ((await askRedis(port, 'PING')) === null ? null : true))
  }
  const node = async (name: string, replicaOf: number | null): Promise<RedisNode> => {
    const port = await freePort()
    const folder = dataFolder('redis', join(data.path, name)).path
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no']
    await launch(name, port, replicaOf === null ? args : [...args, '--replicaof', `127.0.0.1 ${replicaOf}`])
    return {
      port,
      folder,
      child: () => children.get(name) as Child,
      ask: command => askRedis(port, command),
      restart: () => launch(name, port, args),
    }
  }
  try {
    const first = await node('redis-1', null)
    const second = await node('redis-2', first.port)
    const sentinelPort = await freePort()
    const file = join(data.path, 'sentinel.conf')
    const lines = [
      `port ${sentinelPort}`,
      'bind 127.0.0.1',
      `dir ${data.path}`,
      `sentinel monitor ${NAME} 127.0.0.1 ${first.port} 1`,
      `sentinel down-after-milliseconds ${NAME} ${DOWN_AFTER_MS}`,
      `sentinel failover-timeout ${NAME} ${FAILOVER_TIMEOUT_MS}`,
    ]
    writeFileSync(file, `${lines.join('\n')}\n`)
    await launch('sentinel', sentinelPort, [file, '--sentinel'])
    const nodes = [first, second] as const
    let primaryPort = first.port
    const look = async (): Promise<void> => {
      const answer = await askRedis(sentinelPort, `SENTINEL get-master-addr-by-name ${NAME}`)
      const port = Number(answer?.split('\r\n')[4] ?? Number.NaN)
      if (Number.isNaN(port) || port === primaryPort) return
      primaryPort = port
      options.onMoved?.(port)
    }
    const timer = setInterval(() => void look(), options.lookEveryMs ?? 200)
    return {
      nodes,
      get primaryPort() {
        return primaryPort
      },
      async primary() {
        await look()
        return nodes.find(each => each.port === primaryPort) as RedisNode
      },
      setFailover: isOn => children.get('sentinel')?.kill(isOn ? 'SIGCONT' : 'SIGSTOP'),
      async stop() {
        clearInterval(timer)
        await Promise.all([...children.values()].map(child => child.stop()))
        await data.remove()
      },
    }
  } catch (error) {
    await Promise.all([...children.values()].map(child => child.stop()))
    await data.remove()
    throw error
  }
}

/** One inline command, its answer as it stands on the wire; null when nobody answers in time. */
function askRedis(port: number, command: string): Promise<string | null> {
  return new Promise(resolve => {
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write(`${command}\r\n`))
    const finish = (answer: string | null): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(ASK_TIMEOUT_MS, () => finish(null))
    socket.once('error', () => finish(null))
    socket.once('close', () => finish(null))
    socket.once('data', chunk => finish(chunk.toString()))
  })
}
