// Ports for programs that must be told theirs. Drawn from below the range the system uses for outgoing connections, so
// that nothing takes the port by accident between our look and the program's bind; callers still try anew when bind fails.
import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

const LOWEST = 20_000
const HIGHEST = 32_000
const ATTEMPTS_MAX = 200
/** Handed out by this process and perhaps not bound yet. */
const taken = new Set<number>()

/** A port of 127.0.0.1 nobody listens on, not handed out before by this process. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const port = randomInt(LOWEST, HIGHEST)
    if (!taken.has(port) && (await isFree(port))) {
      taken.add(port)
      return port
    }
  }
  throw new Error(`No free port between ${LOWEST} and ${HIGHEST} in ${ATTEMPTS_MAX} attempts.`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })
}
