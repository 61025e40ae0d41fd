// The datasets and tables there are. Every change is stored before it shows, except a drop, which shows at once:
// no row may be accepted for a table on its way out.
import { randomUUID } from 'node:crypto'
import type { Committer } from '../streams/committer.ts'
import { type DatasetRef, datasetKey, type TableRef, tableKey } from './names.ts'
import type { Dataset, Table } from './resources.ts'
import { checkSchemaChange, type TableSchema } from './table-schema.ts'

/** What stands in the way of a catalog operation. */
export class CatalogError extends Error {
  readonly kind: 'notFound' | 'duplicate' | 'invalid' | 'resourceInUse' | 'conditionNotMet'

  constructor(kind: CatalogError['kind'], message: string) {
    super(message)
    this.kind = kind
  }
}

export const DEFAULT_LOCATION = 'US'
/** Tables in one emulator: each costs some KB here and in DuckDB. */
const TABLES_MAX = 100_000

/** `W/`-less ETag, as BigQuery's: opaque, changes with each change. */
export const tableEtag = (table: Table): string => `${table.incarnation}.${table.version}`
export const datasetEtag = (dataset: Dataset): string => `${dataset.createdMs}.${dataset.modifiedMs}`

export class Catalog {
  private readonly committer: Committer
  private readonly nowMs: () => number
  private readonly datasets = new Map<string, Dataset>()
  private readonly tables = new Map<string, Table>()
  /** Keys being created: a second creator is told it exists. */
  private readonly inCreation = new Set<string>()

  constructor(committer: Committer, nowMs: () => number) {
    this.committer = committer
    this.nowMs = nowMs
  }

  restore(datasets: readonly Dataset[], tables: readonly Table[]): void {
    for (const dataset of datasets) this.datasets.set(datasetKey(dataset), dataset)
    for (const table of tables) this.tables.set(tableKey(table), table)
  }

  findDataset(ref: DatasetRef): Dataset | undefined {
    return this.datasets.get(datasetKey(ref))
  }

  findTable(ref: TableRef): Table | undefined {
    return this.tables.get(tableKey(ref))
  }

  dataset(ref: DatasetRef): Dataset {
    const dataset = this.findDataset(ref)
    if (!dataset) throw new CatalogError('notFound', `Not found: Dataset ${ref.project}:${ref.dataset}`)
    return dataset
  }

  table(ref: TableRef): Table {
    this.dataset(ref)
    const table = this.findTable(ref)
    if (!table) throw new CatalogError('notFound', `Not found: Table ${ref.project}:${ref.dataset}.${ref.table}`)
    return table
  }

  datasetsOf(project: string): readonly Dataset[] {
    return [...this.datasets.values()].filter(dataset => dataset.project === project)
  }

  tablesOf(ref: DatasetRef): readonly Table[] {
    return [...this.tables.values()].filter(table => table.project === ref.project && table.dataset === ref.dataset)
  }

  allTables(): readonly Table[] {
    return [...this.tables.values()]
  }

  async createDataset(ref: DatasetRef, location: string, rest: Record<string, unknown>): Promise<Dataset> {
    if (!/^\w{1,1024}$/.test(ref.dataset)) throw new CatalogError('invalid', `Invalid dataset ID "${ref.dataset}".`)
    if (!/^[\w:.-]{1,100}$/.test(ref.project)) throw new CatalogError('invalid', `Invalid project ID "${ref.project}".`)
    const key = datasetKey(ref)
    if (this.datasets.has(key) || this.inCreation.has(key))
      throw new CatalogError('duplicate', `Already Exists: Dataset ${ref.project}:${ref.dataset}`)
    const nowMs = this.nowMs()
    const dataset: Dataset = { ...ref, location, createdMs: nowMs, modifiedMs: nowMs, rest }
    await this.creating(key, this.committer.change.bind(this.committer, { kind: 'putDataset', dataset }))
    this.datasets.set(key, dataset)
    return dataset
  }

  async dropDataset(ref: DatasetRef, options: { deleteContents: boolean }): Promise<void> {
    const dataset = this.dataset(ref)
    const tables = this.tablesOf(ref)
    if (tables.length > 0 && !options.deleteContents)
      throw new CatalogError('resourceInUse', `Dataset ${ref.project}:${ref.dataset} is still in use`)
    for (const table of tables) await this.dropTable(table)
    this.datasets.delete(datasetKey(ref))
    await this.committer.change({ kind: 'dropDataset', dataset })
  }

  async createTable(ref: TableRef, schema: TableSchema, rest: Record<string, unknown>): Promise<Table> {
    const dataset = this.dataset(ref)
    if (!/^[\p{L}\p{M}\p{N}\p{Pc}\p{Pd}\p{Zs}]{1,1024}$/u.test(ref.table))
      throw new CatalogError('invalid', `Invalid table ID "${ref.table}".`)
    if (schema.columns.length === 0)
      throw new CatalogError('invalid', 'A table without columns is not supported by this emulator')
    if (this.tables.size >= TABLES_MAX)
      throw new CatalogError('invalid', `This emulator keeps at most ${TABLES_MAX} tables`)
    const key = tableKey(ref)
    // DuckDB does not tell table names apart by case.
    const twin = this.tablesOf(ref).find(table => table.table.toLowerCase() === ref.table.toLowerCase())
    if (twin || this.inCreation.has(key.toLowerCase()))
      throw new CatalogError(
        'duplicate',
        `Already Exists: Table ${ref.project}:${ref.dataset}.${twin?.table ?? ref.table}`,
      )
    const nowMs = this.nowMs()
    const table: Table = {
      ...ref,
      incarnation: randomUUID(),
      schema,
      location: dataset.location,
      createdMs: nowMs,
      modifiedMs: nowMs,
      version: 1,
      rest,
    }
    await this.creating(key.toLowerCase(), this.committer.change.bind(this.committer, { kind: 'createTable', table }))
    this.tables.set(key, table)
    return table
  }

  /** Changes schema (added and relaxed columns only) and the stored REST fields. */
  async alterTable(
    ref: TableRef,
    patch: { schema?: TableSchema; rest: Record<string, unknown>; ifMatch?: string },
  ): Promise<Table> {
    const before = this.table(ref)
    if (patch.ifMatch !== undefined && patch.ifMatch !== tableEtag(before))
      throw new CatalogError('conditionNotMet', 'Precondition check failed.')
    if (patch.schema) checkSchemaChange(before.schema.columns, patch.schema.columns)
    const after: Table = {
      ...before,
      schema: patch.schema ?? before.schema,
      rest: { ...before.rest, ...patch.rest },
      modifiedMs: Math.max(this.nowMs(), before.modifiedMs + 1),
      version: before.version + 1,
    }
    // Shown at once, so that a concurrent change builds on it; the storage takes changes in this order.
    this.tables.set(tableKey(ref), after)
    await this.committer.change({ kind: 'alterTable', before, after })
    return after
  }

  async dropTable(ref: TableRef): Promise<void> {
    const table = this.table(ref)
    this.tables.delete(tableKey(ref))
    await this.committer.change({ kind: 'dropTable', table })
  }

  private async creating(key: string, create: () => Promise<void>): Promise<void> {
    this.inCreation.add(key)
    try {
      await create()
    } finally {
      this.inCreation.delete(key)
    }
  }
}
