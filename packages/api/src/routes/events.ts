// GET /api/v1/events: changes of the cluster as server-sent events. https://html.spec.whatwg.org/multipage/server-sent-events.html
import type { OutgoingHttpHeaders } from 'node:http'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { ApiError } from '../api-error.ts'
import type { Context } from '../context.ts'
import { type ConnectorSnapshot, connectorSnapshot, type Snapshot, workerAddresses } from '../events/changes.ts'
import { EventFeed, type NumberedEvent } from '../events/event-feed.ts'

/** Each keeps a connection and at most BACKLOG_BYTES_MAX: 25 MiB together. */
export const SUBSCRIBERS_MAX = 100
/** Who reads slower than this much behind is cut; it may come back with its Last-Event-ID. */
const BACKLOG_BYTES_MAX = 256 * 1024
/** Proxies cut what is silent for a minute. */
const HEARTBEAT_MS = 15_000
/** What a browser waits before it connects again. */
const RETRY_MS = 2_000

export function eventRoutes(app: FastifyInstance, context: Context, closing: AbortSignal): void {
  const { deps } = context
  const { configStore, clock, timers, random, logger } = deps
  const snapshot = async (): Promise<Snapshot> => {
    const view = await context.view()
    const healthContext = context.healthContext()
    const connectors = await context.inPieces(
      configStore.read().connectors.values(),
      (entry): [string, ConnectorSnapshot] => [entry.name, connectorSnapshot(entry, view, healthContext)],
    )
    return { workers: workerAddresses(view), connectors: new Map(connectors) }
  }
  const feed = new EventFeed({ configStore, clock, timers, random, logger, snapshot })
  let running: Promise<void> | null = null
  app.addHook('onListen', async () => {
    running = feed.run({ signal: closing }).catch(error => {
      if (!closing.aborted) logger.error({ err: error }, 'The event feed ended.')
    })
  })
  app.addHook('onClose', async () => {
    if (closing.aborted) await running
  })

  app.get('/api/v1/events', async (request, reply) => {
    if (feed.subscriberCount >= SUBSCRIBERS_MAX)
      throw new ApiError(503, `${SUBSCRIBERS_MAX} clients listen to the events of this worker already.`)
    const lastId = request.headers['last-event-id']
    stream(reply, feed, typeof lastId === 'string' && lastId !== '' ? lastId : null)
    return reply
  })

  function stream(reply: FastifyReply, source: EventFeed, lastId: string | null): void {
    reply.hijack()
    const { raw } = reply
    raw.writeHead(200, {
      ...(reply.getHeaders() as OutgoingHttpHeaders),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    })
    const over = new AbortController()
    const signal = AbortSignal.any([closing, over.signal])
    const write = (text: string): void => {
      raw.write(text)
      if (raw.writableLength > BACKLOG_BYTES_MAX) raw.destroy()
    }
    const subscriber = { send: (event: NumberedEvent) => write(textOf(event)) }
    raw.once('close', () => over.abort())
    signal.addEventListener('abort', () => {
      source.unsubscribe(subscriber)
      raw.end()
    })
    write(`retry: ${RETRY_MS}\n\n`)
    const isWhole = source.subscribe(subscriber, lastId)
    if (lastId === null || !isWhole)
      write(
        `id: ${source.lastId}\nevent: ${isWhole ? 'hello' : 'gap'}\ndata: {"last_event_id":${JSON.stringify(lastId)}}\n\n`,
      )
    void beat(write, signal)
  }

  async function beat(write: (text: string) => void, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await timers.sleep(HEARTBEAT_MS, { signal }).catch(() => {})
      if (!signal.aborted) write(': still here\n\n')
    }
  }
}

const textOf = ({ id, type, connector, atMs, data }: NumberedEvent): string =>
  `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify({ connector, at_ms: atMs, ...data })}\n\n`
