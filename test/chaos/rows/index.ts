// Every row that runs, in the order of the matrix.
import type { Row } from '../row.ts'
import { APPEND_ROWS } from './appends.ts'
import { CREDENTIAL_ROWS } from './credentials.ts'
import { KAFKA_ROWS } from './kafka.ts'
import { MACHINE_ROWS } from './machine.ts'
import { REDIS_ROWS } from './redis.ts'
import { SOURCE_ROWS } from './source.ts'
import { STREAM_ROWS } from './streams.ts'
import { TABLE_ROWS } from './tables.ts'
import { WORKER_ROWS } from './workers.ts'

const byNumber = (a: Row, b: Row): number =>
  Number.parseInt(a.id, 10) - Number.parseInt(b.id, 10) || a.id.localeCompare(b.id)

export const ROWS: readonly Row[] = [
  ...WORKER_ROWS,
  ...REDIS_ROWS,
  ...KAFKA_ROWS,
  ...SOURCE_ROWS,
  ...APPEND_ROWS,
  ...STREAM_ROWS,
  ...TABLE_ROWS,
  ...CREDENTIAL_ROWS,
  ...MACHINE_ROWS,
].toSorted(byNumber)
