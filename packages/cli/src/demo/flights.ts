// The demo's input: three million real US flights of 2001 in the npm package vega-datasets, read with DuckDB. A flight's
// id is its row number in the file.
import { existsSync, mkdirSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'

/** The package exports its scripts only, so its folder is looked for as Node would. */
export function flightsFile(): string {
  const folders = createRequire(import.meta.url).resolve.paths('vega-datasets') ?? []
  const file = folders
    .map(folder => join(folder, 'vega-datasets/data/flights-3m.parquet'))
    .find(path => existsSync(path))
  if (file === undefined)
    throw new Error('flights-3m.parquet of the npm package vega-datasets is not installed: run npm ci.')
  return file
}

/** A subquery of the first `records` flights with their ids; times are without a zone, as in the file. */
export const flightsQuery = (file: string, records: number): string =>
  `(SELECT file_row_number AS id, date, delay, distance, origin, destination ` +
  `FROM read_parquet('${file.replaceAll("'", "''")}', file_row_number = true) WHERE file_row_number < ${records})`

export class Flights {
  readonly #connection: DuckDBConnection
  readonly #instance: DuckDBInstance
  readonly #folder: string
  #slice = 0

  private constructor(instance: DuckDBInstance, connection: DuckDBConnection, folder: string) {
    this.#instance = instance
    this.#connection = connection
    this.#folder = folder
  }

  /** `folder` takes the slices while they are read. */
  static async open(folder: string): Promise<Flights> {
    mkdirSync(folder, { recursive: true })
    const instance = await DuckDBInstance.create(':memory:', {
      threads: '1',
      memory_limit: '512MB',
      temp_directory: folder,
    })
    return new Flights(instance, await instance.connect(), folder)
  }

  /** Flights `[from, to)` as lines of JSON, in the order of their ids. DuckDB writes JSON ten times faster than we could. */
  async lines(from: number, to: number): Promise<Buffer> {
    const file = join(this.#folder, `flights-${this.#slice++}.ndjson`)
    const rows = flightsQuery(flightsFile(), to)
    await this.#connection.run(
      `COPY (SELECT id, strftime(date, '%Y-%m-%dT%H:%M:%S') AS date, delay, distance, origin, destination ` +
        `FROM ${rows} WHERE id >= ${from} ORDER BY id) TO '${file.replaceAll("'", "''")}' (FORMAT json)`,
    )
    try {
      return await readFile(file)
    } finally {
      await rm(file, { force: true })
    }
  }

  close(): void {
    this.#connection.closeSync()
    this.#instance.closeSync()
  }
}
