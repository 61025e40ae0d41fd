// Offsets (KIP-875): positions in the journal, which is the truth; moving them is for a stopped connector only.
import type { ConnectorEntry } from '@millrace/core'
import type { FastifyInstance } from 'fastify'
import { badRequest, notFound } from '../api-error.ts'
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
    const entry = await stoppedConnector(context, request.params.name)
    const changes = parsePositionChanges(list)
    await context.within(REQUEST_TIMEOUT_MS, 'moving positions in the journal', signal =>
      offsets.alter(entry, changes, { signal }),
    )
    return { message: ALTERED }
  })

  app.delete<Named>('/connectors/:name/offsets', async request => {
    const entry = await stoppedConnector(context, request.params.name)
    await context.within(REQUEST_TIMEOUT_MS, 'resetting positions in the journal', signal =>
      offsets.reset(entry, { signal }),
    )
    return { message: 'The offsets for this connector have been reset successfully' }
  })
}

/** Also the `offsets_status` of a create with `initial_offsets` (KIP-995). */
export const ALTERED = 'The offsets for this connector have been altered successfully'

/** It may have been stopped or started on another worker a moment ago: the end of the config log decides. */
async function stoppedConnector(context: Context, name: string): Promise<ConnectorEntry> {
  const { connectors } = await context.within(REQUEST_TIMEOUT_MS, 'reading the config topic', signal =>
    context.deps.configStore.refresh({ signal }),
  )
  const entry = connectors.get(name)
  if (entry === undefined) throw notFound(`Connector ${name} not found`)
  if (entry.targetState === 'STOPPED') return entry
  throw badRequest(
    `Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the specified connector by issuing a 'PUT' request to the '/connectors/${entry.name}/stop' endpoint`,
  )
}
