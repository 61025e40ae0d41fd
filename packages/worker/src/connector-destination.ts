// The destination of one connector generation: its tables, opened once each, and the converters compiled for them.

import type { ConnectorConfig } from '@millrace/config'
import { compileValueConverter, deriveTableSchema, originColumn, Refusal } from '@millrace/convert'
import {
  type Column,
  MillraceError,
  type RecordSlice,
  type TableInfo,
  type TableName,
  type Tables,
} from '@millrace/core'
import type { Destination, OpenTable } from './destination.ts'

export class ConnectorDestination implements Destination {
  readonly #config: ConnectorConfig
  /** Config as converters read it: the worker's converter settings under the connector's own. */
  readonly #settings: Readonly<Record<string, string>>
  readonly #tables: Tables
  /** One per topic of the connector; the topics of one worker bound it. */
  readonly #opened = new Map<string, OpenTable>()

  constructor(config: ConnectorConfig, settings: Readonly<Record<string, string>>, tables: Tables) {
    this.#config = config
    this.#settings = settings
    this.#tables = tables
  }

  async open(
    topic: string,
    slices: readonly RecordSlice[],
    { signal }: { signal: AbortSignal },
  ): Promise<OpenTable | null> {
    const known = this.#opened.get(topic)
    if (known !== undefined) return known
    const table = this.#config.tableFor(topic)
    const info = (await this.#tables.get(table, { signal })) ?? (await this.#create(topic, table, slices, signal))
    if (info === null) return null
    const converter = compileValueConverter(this.#settings, info.schema, topic)
    const opened = { table, tableCreationTime: info.creationTime, converter }
    this.#opened.set(topic, opened)
    return opened
  }

  async #create(
    topic: string,
    table: TableName,
    slices: readonly RecordSlice[],
    signal: AbortSignal,
  ): Promise<TableInfo | null> {
    if (!this.#config.autoCreateTables)
      throw new MillraceError(
        'TABLE_MISSING',
        'failPartition',
        `Table ${table} does not exist, and autoCreateTables is false.`,
      )
    if (!this.#config.valueConverter.schemasEnable)
      throw new MillraceError(
        'TABLE_MISSING',
        'failPartition',
        `Table ${table} does not exist, and records of topic ${topic} carry no schema to create it from (value.converter.schemas.enable is false).`,
      )
    const derived = this.#deriveColumns(topic, slices)
    if (derived === null) return null
    const { kafkaDataFieldName } = this.#config
    const columns = kafkaDataFieldName === null ? derived : [...derived, originColumn(kafkaDataFieldName)]
    return await this.#tables.create(table, { schema: { columns }, ...this.#config.tableLayout }, { signal })
  }

  /** From the first record that has a schema. */
  #deriveColumns(topic: string, slices: readonly RecordSlice[]): readonly Column[] | null {
    for (const slice of slices)
      for (let i = 0; i < slice.count; i++) {
        const start = slice.valueStart[i] ?? -1
        if (start < 0) continue
        const schema = this.#derive(slice.bytes.subarray(start, slice.valueEnd[i]), topic, slice, i)
        if (schema !== null) return schema
      }
    return null
  }

  #derive(value: Buffer, topic: string, slice: RecordSlice, i: number): readonly Column[] | null {
    const { allBQFieldsNullable, sanitizeFieldNames, decimalHandlingMode } = this.#config
    try {
      const options = {
        allBQFieldsNullable,
        sanitizeFieldNames,
        decimalHandlingMode,
        variableScaleDecimalHandlingMode: 'RECORD',
      } as const
      return deriveTableSchema(value, options)?.columns ?? null
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      const offset = slice.startKafkaOffset + BigInt(slice.offsetDelta[i] ?? 0)
      const message = `${topic}@${offset}: no table can be created from the record: ${error.message}`
      throw new MillraceError('RECORD_NOT_CONVERTIBLE', 'failPartition', message)
    }
  }
}
