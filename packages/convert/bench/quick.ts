import type { TableSchema } from '@millrace/core'
import { compileJsonEncoder, RowBuffer, type RowEncoder, writerSchemaFor } from '../src/index.ts'

const tableSchema: TableSchema = {
  columns: [
    { name: 'id', type: 'INT64', mode: 'REQUIRED' },
    { name: 'date', type: 'DATETIME', mode: 'NULLABLE' },
    { name: 'delay', type: 'INT64', mode: 'NULLABLE' },
    { name: 'distance', type: 'INT64', mode: 'NULLABLE' },
    { name: 'origin', type: 'STRING', mode: 'NULLABLE' },
    { name: 'destination', type: 'STRING', mode: 'NULLABLE' },
  ],
}
const e: RowEncoder = compileJsonEncoder({
  tableSchema,
  writerSchema: writerSchemaFor(tableSchema),
  options: { ignoreUnknownFields: false, sanitizeFieldNames: false },
})
const recs: string[] = []
for (let i = 0; i < 20000; i++)
  recs.push(
    `{"id":${i * 137},"date":"2001-01-${String(1 + (i % 28)).padStart(2, '0')}T00:${String(i % 60).padStart(2, '0')}:00","delay":${((i * 7) % 300) - 50},"distance":${100 + (i % 2500)},"origin":"SMF","destination":"LAX"}`,
  )
const bytes = Buffer.from(recs.join(''))
const starts: number[] = [0]
for (const r of recs) starts.push(starts.at(-1)! + r.length)
const out = new RowBuffer(4 << 20)
for (let round = 0; round < 10; round++) {
  const t = process.cpuUsage()
  let n = 0
  for (let k = 0; k < 20; k++) {
    for (let i = 0; i < recs.length; i++) {
      if (e.encode(bytes, starts[i]!, starts[i + 1]!, out) < 0) throw new Error(JSON.stringify(e.lastError))
      n++
    }
    const f = out.freeze()
    out.recycle(f.bytes)
  }
  const u = process.cpuUsage(t)
  console.log(
    Math.round((n / (u.user + u.system)) * 1e6),
    'rows/cpu s',
    Math.round((bytes.length * 20) / (u.user + u.system)),
    'MB/s',
  )
}
