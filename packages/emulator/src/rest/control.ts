// The emulator's own endpoints: faults and a look inside. No part of BigQuery.
import type { FastifyInstance } from 'fastify'
import type { EmulatorCore } from '../emulator-core.ts'
import { faultsFromJson } from '../faults/fault-json.ts'

export function controlRoutes(app: FastifyInstance, core: EmulatorCore): void {
  const faultList = () => core.faults.list().map(fault => ({ ...fault, offset: fault.offset?.toString() }))
  app.post('/emulator/faults', async request => ({
    ids: faultsFromJson(request.body).map(spec => core.faults.add(spec)),
  }))
  app.get('/emulator/faults', async () => ({ faults: faultList() }))
  app.delete('/emulator/faults', async (_request, reply) => {
    core.faults.clear()
    return reply.code(204).send()
  })
  app.get('/emulator/state', async () => ({
    tables: await Promise.all(
      core.catalog.allTables().map(async table => ({
        table: `${table.project}.${table.dataset}.${table.table}`,
        incarnation: table.incarnation,
        rows: String(await core.storage.rowCount(table)),
      })),
    ),
    streams: core.streams.all().map(({ name, type, kind, end, createdMs }) => ({
      name,
      type,
      rows: String(end),
      finalized: kind === 'finalized',
      createdMs,
    })),
    connections: [...core.connections],
    faults: faultList(),
  }))
}
