// The datasets and tables there are. Every change is stored before it shows, except a drop, which shows at once:
// no row may be accepted for a table on its way out.
import { randomUUID } from 'node:crypto'
import type { Committer } from '../streams/committer.ts'
import { mergePatch } from './merge-patch.ts'
import { type DatasetRef, datasetKey, type TableRef, tableKey } from './names.ts'
import type { Dataset, Table } from './resources.ts'
import { changedSchema } from './schema-change.ts'
import { checkLabels, checkLayout, checkLayoutChange } from './table-layout.ts'
import type { TableSchema } from './table-schema.ts'
import { TableUpdates } from './table-updates.ts'

/** What stands in the way of a catalog operation. */
export class CatalogError extends Error {
  readonly kind: 'notFound' | 'duplicate' | 'invalid' | 'resourceInUse' | 'conditionNotMet' | 'rateLimitExceeded'

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

/** A change of stored REST members: a patch merges and deletes by null; a replacement is all there is from then on. */
type RestChange = {
  readonly rest: Record<string, unknown>
  readonly isReplacement?: boolean
  /** The ETag the caller believes in. */
  readonly ifMatch?: string
}
/** What CREATE TABLE says beyond the table. */
type Creation = {
  /** A table of this name makes way, once all went well. */
  readonly isReplacing?: boolean
  /** SQL that gives the table its rows. */
  readonly fill?: ((table: Table) => string) | undefined
}

/** Any case is understood, one is shown: multi-regions in capitals, regions in small letters. */
const spelledLocation = (given: string): string =>
  /^(us|eu)$/i.test(given) ? given.toUpperCase() : given.toLowerCase()

const isMet = (ifMatch: string | undefined, etag: string): boolean =>
  ifMatch === undefined || ifMatch === '*' || ifMatch === etag

const changedRest = (
  before: Readonly<Record<string, unknown>>,
  change: RestChange,
): Readonly<Record<string, unknown>> => mergePatch(change.isReplacement ? {} : before, change.rest)

export class Catalog {
  private readonly committer: Committer
  private readonly nowMs: () => number
  private readonly datasets = new Map<string, Dataset>()
  private readonly tables = new Map<string, Table>()
  /** Changed tables on their way to the storage: what the next change builds on. Bounded by the changes waiting there. */
  private readonly coming = new Map<string, Table>()
  /** Keys being created: a second creator is told it exists. */
  private readonly inCreation = new Set<string>()

  private readonly tableUpdates: TableUpdates
  /** Told of each changed table. */
  onAltered: (before: Table, after: Table) => void = () => {}

  constructor(committer: Committer, nowMs: () => number, behavior: { readonly tableUpdatesPer10s: number }) {
    this.committer = committer
    this.nowMs = nowMs
    this.tableUpdates = new TableUpdates(behavior, nowMs)
  }

  restore(datasets: readonly Dataset[], tables: readonly Table[]): void {
    for (const dataset of datasets) this.datasets.set(datasetKey(dataset), dataset)
    for (const table of tables) this.tables.set(tableKey(table), table)
  }

  findDataset(ref: DatasetRef): Dataset | undefined {
    return this.datasets.get(datasetKey(ref))
  }

  findTable(ref: TableRef): Table | undefined {
    const table = this.tables.get(tableKey(ref))
    return table && this.isExpired(table) ? undefined : table
  }

  private isExpired({ rest }: Table): boolean {
    return rest.expirationTime !== undefined && Number(rest.expirationTime) <= this.nowMs()
  }

  /** Drops what has expired: it does not show any more, but keeps its name and its rows until then. */
  private async dropExpired(ref: DatasetRef): Promise<void> {
    const expired = this.rawTablesOf(ref).filter(table => this.isExpired(table))
    await Promise.all(expired.map(table => this.drop(table)))
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
    return this.rawTablesOf(ref).filter(table => !this.isExpired(table))
  }

  private rawTablesOf(ref: DatasetRef): readonly Table[] {
    return [...this.tables.values()].filter(table => table.project === ref.project && table.dataset === ref.dataset)
  }

  allTables(): readonly Table[] {
    return [...this.tables.values()].filter(table => !this.isExpired(table))
  }

  /** Projects that have a dataset. */
  projects(): readonly string[] {
    return [...new Set([...this.datasets.values()].map(dataset => dataset.project))]
  }

  async createDataset(ref: DatasetRef, location: string, rest: Record<string, unknown>): Promise<Dataset> {
    if (!/^\w{1,1024}$/.test(ref.dataset)) throw new CatalogError('invalid', `Invalid dataset ID "${ref.dataset}".`)
    if (!/^[\w:.-]{1,100}$/.test(ref.project)) throw new CatalogError('invalid', `Invalid project ID "${ref.project}".`)
    const key = datasetKey(ref)
    // DuckDB does not tell dataset names apart by case.
    const lowerKey = key.toLowerCase()
    const twin = [...this.datasets.values()].find(dataset => datasetKey(dataset).toLowerCase() === lowerKey)
    if (twin || this.inCreation.has(lowerKey))
      throw new CatalogError('duplicate', `Already Exists: Dataset ${ref.project}:${twin?.dataset ?? ref.dataset}`)
    const nowMs = this.nowMs()
    const dataset: Dataset = {
      ...ref,
      location: spelledLocation(location),
      createdMs: nowMs,
      modifiedMs: nowMs,
      rest: mergePatch({}, rest),
    }
    checkDataset(dataset)
    await this.creating(lowerKey, this.committer.change.bind(this.committer, { kind: 'putDataset', dataset }))
    this.datasets.set(key, dataset)
    return dataset
  }

  async alterDataset(ref: DatasetRef, change: RestChange): Promise<Dataset> {
    const before = this.dataset(ref)
    if (!isMet(change.ifMatch, datasetEtag(before))) throw conditionNotMet()
    const dataset: Dataset = {
      ...before,
      rest: changedRest(before.rest, change),
      modifiedMs: Math.max(this.nowMs(), before.modifiedMs + 1),
    }
    checkDataset(dataset)
    // Shown at once, so that a concurrent change builds on it; the storage takes changes in this order.
    this.datasets.set(datasetKey(ref), dataset)
    await this.committer.change({ kind: 'putDataset', dataset })
    return dataset
  }

  async dropDataset(ref: DatasetRef, options: { deleteContents: boolean }): Promise<void> {
    const dataset = this.dataset(ref)
    const key = datasetKey(ref)
    const isTableComing = [...this.inCreation].some(coming => coming.startsWith(`${key.toLowerCase()}.`))
    if (isTableComing || (this.tablesOf(ref).length > 0 && !options.deleteContents))
      throw new CatalogError('resourceInUse', `Dataset ${ref.project}:${ref.dataset} is still in use`)
    // Asked for in one turn, so that nothing comes in between: neither a table nor the dataset anew.
    this.datasets.delete(key)
    await Promise.all([
      ...this.rawTablesOf(ref).map(table => this.drop(table)),
      this.committer.change({ kind: 'dropDataset', dataset }),
    ])
  }

  async createTable(
    ref: TableRef,
    schema: TableSchema,
    rest: Record<string, unknown>,
    { isReplacing = false, fill }: Creation = {},
  ): Promise<Table> {
    if (!/^[\p{L}\p{M}\p{N}\p{Pc}\p{Pd}\p{Zs}]{1,1024}$/u.test(ref.table))
      throw new CatalogError('invalid', `Invalid table ID "${ref.table}".`)
    if (this.tables.size >= TABLES_MAX)
      throw new CatalogError('invalid', `This emulator keeps at most ${TABLES_MAX} tables`)
    const key = tableKey(ref)
    await this.dropExpired(ref)
    const dataset = this.dataset(ref)
    // DuckDB does not tell table names apart by case.
    const twin = this.tablesOf(ref).find(table => table.table.toLowerCase() === ref.table.toLowerCase())
    if (twin && !(isReplacing && twin.table === ref.table)) throw alreadyExists(twin)
    this.takeUpdate(ref)
    if (this.inCreation.has(key.toLowerCase())) throw alreadyExists(ref)
    const nowMs = this.nowMs()
    const stored = mergePatch(withDefaultExpiry(dataset, nowMs), rest)
    checkLayout(schema, stored)
    this.checkExpiry(stored.expirationTime)
    const table: Table = {
      ...ref,
      incarnation: randomUUID(),
      schema,
      location: dataset.location,
      createdMs: nowMs,
      modifiedMs: nowMs,
      version: 1,
      rest: stored,
    }
    const replaced = twin && this.hide(twin)
    try {
      await this.creating(key.toLowerCase(), () =>
        this.committer.change({ kind: 'createTable', table, replaced, fill: fill?.(table) }),
      )
    } catch (error) {
      if (replaced) this.tables.set(key, replaced)
      throw error
    }
    this.tables.set(key, table)
    return table
  }

  /** Changes schema (added and relaxed columns only) and the stored REST members. */
  async alterTable(ref: TableRef, change: RestChange & { readonly schema?: TableSchema }): Promise<Table> {
    const key = tableKey(ref)
    const before = this.coming.get(key) ?? this.table(ref)
    if (!isMet(change.ifMatch, tableEtag(before))) throw conditionNotMet()
    const after: Table = {
      ...before,
      schema: change.schema ? changedSchema(before.schema, change.schema) : before.schema,
      rest: changedRest(before.rest, change),
      modifiedMs: Math.max(this.nowMs(), before.modifiedMs + 1),
      version: before.version + 1,
    }
    checkLayoutChange(before.rest, after.rest)
    checkLayout(after.schema, after.rest)
    if (after.rest.expirationTime !== before.rest.expirationTime) this.checkExpiry(after.rest.expirationTime)
    this.takeUpdate(ref)
    // A concurrent change builds on this one, since the storage takes them in this order. Rows do not see it before it is stored:
    // they would have columns that the storage does not have yet.
    this.coming.set(key, after)
    try {
      await this.committer.change({ kind: 'alterTable', before, after })
      if (this.tables.get(key)?.incarnation !== after.incarnation) return after
      this.tables.set(key, after)
      this.onAltered(before, after)
      return after
    } finally {
      if (this.coming.get(key) === after) this.coming.delete(key)
    }
  }

  private takeUpdate(ref: TableRef): void {
    if (!this.tableUpdates.take(tableKey(ref)))
      throw new CatalogError(
        'rateLimitExceeded',
        'Exceeded rate limits: too many table update operations for this table. ' +
          'For more information, see https://cloud.google.com/bigquery/docs/troubleshoot-quotas',
      )
  }

  private checkExpiry(expirationTime: unknown): void {
    if (expirationTime !== undefined && Number(expirationTime) <= this.nowMs())
      throw new CatalogError('invalid', `Invalid expirationTime ${String(expirationTime)}: it must be in the future`)
  }

  async dropTable(ref: TableRef): Promise<void> {
    await this.drop(this.table(ref))
  }

  private async drop(shown: Table): Promise<void> {
    await this.committer.change({ kind: 'dropTable', table: this.hide(shown) })
  }

  /** From here on the table takes no rows. Gives it as the storage knows it by then. */
  private hide(shown: Table): Table {
    const key = tableKey(shown)
    const table = this.coming.get(key) ?? shown
    this.tables.delete(key)
    this.coming.delete(key)
    return table
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

const conditionNotMet = (): CatalogError => new CatalogError('conditionNotMet', 'Precondition check failed.')
const alreadyExists = ({ project, dataset, table }: TableRef): CatalogError =>
  new CatalogError('duplicate', `Already Exists: Table ${project}:${dataset}.${table}`)

/** The least default table lifetime: https://cloud.google.com/bigquery/docs/reference/rest/v2/datasets */
const DEFAULT_TABLE_EXPIRATION_MIN_MS = 3_600_000

function checkDataset({ rest }: Dataset): void {
  checkLabels(rest)
  const lifetime = rest.defaultTableExpirationMs
  if (lifetime !== undefined && Number(lifetime) !== 0 && Number(lifetime) < DEFAULT_TABLE_EXPIRATION_MIN_MS)
    throw new CatalogError(
      'invalid',
      `Invalid defaultTableExpirationMs ${String(lifetime)}: the least is ${DEFAULT_TABLE_EXPIRATION_MIN_MS}`,
    )
}

function withDefaultExpiry({ rest }: Dataset, nowMs: number): Record<string, unknown> {
  const lifetime = Number(rest.defaultTableExpirationMs ?? 0)
  return lifetime === 0 ? {} : { expirationTime: String(nowMs + lifetime) }
}
