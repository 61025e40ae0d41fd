// Offsets (KIP-875): positions in the journal, which is the truth; moving them is for a stopped connector only.
import type { ConnectorEntry } from '@millrace/core'
import type { FastifyInstance } from 'fastify'
import { badRequest } from '../api-error.ts'
import { type Context, REQUEST_TIMEOUT_MS } from '../context.ts'
import type { JsonValue } from '../json-body.ts'
import { jsonOffset } from '../json-offset.ts'
import { parseOffsetsList, parsePositionChanges } from '../offset-changes.ts'

type Named = { Params: { name: string } }

export function offsetRoutes(app: FastifyInstance, context: Context): void {
  const { offsets } = context.deps

  app.get<Named>('/connectors/:name/offsets', async request => {
    const entry = await context.connector(request.params.name)
    const positions = await context.within(REQUEST_TIMEOUT_MS, 'reading the journal', signal =>
      offsets.get(entry, { signal }),
    )
    return {
      offsets: positions.map(({ tp, nextKafkaOffset }) => ({
        partition: { kafka_topic: tp.topic, kafka_partition: tp.partition },
        offset: { kafka_offset: jsonOffset(nextKafkaOffset) },
      })),
    }
  })

  app.patch<Named & { Body: JsonValue | undefined }>('/connectors/:name/offsets', async request => {
    const list = parseOffsetsList(request.body)
    const entry = await context.connector(request.params.name)
    assertStopped(entry)
    const changes = parsePositionChanges(list)
    await context.within(REQUEST_TIMEOUT_MS, 'moving positions in the journal', signal =>
      offsets.alter(entry, changes, { signal }),
    )
    return {
      message: 'The offsets for this connector have been altered successfully, in the exactly-once journal as well',
    }
  })

  app.delete<Named>('/connectors/:name/offsets', async request => {
    const entry = await context.connector(request.params.name)
    assertStopped(entry)
    await context.within(REQUEST_TIMEOUT_MS, 'resetting positions in the journal', signal =>
      offsets.reset(entry, { signal }),
    )
    return {
      message: 'The offsets for this connector have been reset successfully, in the exactly-once journal as well',
    }
  })
}

function assertStopped(entry: ConnectorEntry): void {
  if (entry.targetState === 'STOPPED') return
  throw badRequest(
    "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the specified connector by issuing a 'PUT' request to the '/connectors/{connector}/stop' endpoint",
  )
}
