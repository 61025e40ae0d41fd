// Asks a broker for the cluster's metadata with a hand-written request (Metadata v1), so that "ready" means "it answers"
// and testkit needs no Kafka client. https://kafka.apache.org/protocol#The_Messages_Metadata
import { connect } from 'node:net'

const METADATA = 3
const TIMEOUT_MS = 2_000

/** How many brokers the broker at `port` knows as alive; null when it does not answer. */
export function countBrokers(port: number): Promise<number | null> {
  const request = Buffer.alloc(4 + 2 + 2 + 4 + 2 + 4)
  let at = request.writeInt32BE(request.length - 4)
  at = request.writeInt16BE(METADATA, at)
  at = request.writeInt16BE(1, at)
  at = request.writeInt32BE(1, at)
  at = request.writeInt16BE(-1, at) // client id: null
  request.writeInt32BE(0, at) // topics: none
  return new Promise(resolve => {
    const socket = connect({ port, host: '127.0.0.1' })
    let answer = Buffer.alloc(0)
    const finish = (count: number | null): void => {
      socket.destroy()
      resolve(count)
    }
    socket.setTimeout(TIMEOUT_MS, () => finish(null))
    socket.once('error', () => finish(null))
    socket.once('close', () => finish(null))
    socket.once('connect', () => socket.write(request))
    socket.on('data', chunk => {
      answer = Buffer.concat([answer, chunk])
      if (answer.length >= 4 && answer.length >= 4 + answer.readInt32BE(0)) finish(answer.readInt32BE(8))
    })
  })
}
