// GET /api/v1/events: changes of the cluster as server-sent events. https://html.spec.whatwg.org/multipage/server-sent-events.html
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { ApiError } from '../api-error.ts'
import type { Context } from '../context.ts'
import { type ConnectorSnapshot, connectorSnapshot, type Snapshot, workerAddresses } from '../events/changes.ts'
import { EventFeed, type NumberedEvent } from '../events/event-feed.ts'

/** Each keeps a connection and what its socket takes before it says stop: 64 KiB or so, 7 MB together. */
export const SUBSCRIBERS_MAX = 100
/** Proxies cut what is silent for a minute. */
const HEARTBEAT_MS = 15_000
/** Who takes nothing for so many heartbeats is cut; it may come back with its Last-Event-ID. */
const STUCK_BEATS_MAX = 4
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
  // Not onListen: a worker has listeners of its own.
  app.addHook('onReady', async () => {
    running = feed.run({ signal: closing }).catch(error => {
      if (!closing.aborted) logger.error({ err: error }, 'The event feed ended.')
    })
  })
  app.addHook('onClose', async () => {
    if (closing.aborted) await running
  })

  // HEAD would be an answer that never ends.
  app.get('/api/v1/events', { exposeHeadRoute: false }, async (request, reply) => {
    if (feed.subscriberCount >= SUBSCRIBERS_MAX)
      throw new ApiError(503, `${SUBSCRIBERS_MAX} clients listen to the events of this worker already.`)
    const lastId = request.headers['last-event-id']
    stream(reply, feed, typeof lastId === 'string' && lastId !== '' ? lastId : null)
    return reply
  })

  function stream(reply: FastifyReply, source: EventFeed, lastId: string | null): void {
    reply.hijack()
    const { raw } = reply
    if (raw.destroyed) return // gone while it was let in
    raw.writeHead(200, {
      ...(reply.getHeaders() as OutgoingHttpHeaders),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    })
    const over = new AbortController()
    const signal = AbortSignal.any([closing, over.signal])
    const pump = (): void => {
      while (!raw.writableNeedDrain && !signal.aborted) {
        const event = subscription.take()
        if (event === null) return
        raw.write(event === 'lost' ? greeting('gap', source.lastId, null) : textOf(event))
      }
    }
    const subscription = source.subscribe(pump, lastId)
    raw.once('close', () => over.abort())
    raw.on('drain', pump)
    signal.addEventListener('abort', () => {
      subscription.close()
      raw.end()
    })
    raw.write(`retry: ${RETRY_MS}\n\n`)
    if (lastId === null || !subscription.isWhole)
      raw.write(greeting(subscription.isWhole ? 'hello' : 'gap', source.lastId, lastId))
    pump()
    void beat(raw, signal)
  }

  async function beat(raw: ServerResponse, signal: AbortSignal): Promise<void> {
    for (let stuckBeats = 0; ; ) {
      await timers.sleep(HEARTBEAT_MS, { signal }).catch(() => {})
      if (signal.aborted) return
      stuckBeats = raw.writableNeedDrain ? stuckBeats + 1 : 0
      if (stuckBeats >= STUCK_BEATS_MAX) raw.destroy()
      else if (stuckBeats === 0) raw.write(': still here\n\n')
    }
  }
}

/** hello: nothing was missed. gap: perhaps something was; read anew what matters. */
const greeting = (event: 'hello' | 'gap', id: string, lastId: string | null): string =>
  `id: ${id}\nevent: ${event}\ndata: {"last_event_id":${JSON.stringify(lastId)}}\n\n`

const textOf = ({ id, type, connector, atMs, data }: NumberedEvent): string =>
  `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify({ connector, at_ms: atMs, ...data })}\n\n`
