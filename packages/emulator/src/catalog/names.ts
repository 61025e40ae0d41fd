// Names of tables and write streams.

export type DatasetRef = { readonly project: string; readonly dataset: string }
export type TableRef = DatasetRef & { readonly table: string }

/** `project.dataset.table`: the key tables are kept under. */
export const tableKey = (ref: TableRef): string => `${ref.project}.${ref.dataset}.${ref.table}`
export const datasetKey = (ref: DatasetRef): string => `${ref.project}.${ref.dataset}`
export const tableResource = (ref: TableRef): string =>
  `projects/${ref.project}/datasets/${ref.dataset}/tables/${ref.table}`

/** A table in the making, under a name that no table can have: it gets its own with its rows. */
export const nextTable = <T extends TableRef>(ref: T): T => ({ ...ref, table: `${ref.table}.next` })

/** Parses `projects/P/datasets/D/tables/T`. */
export function parseTableResource(name: string): TableRef | undefined {
  const match = /^projects\/([^/]+)\/datasets\/([^/]+)\/tables\/([^/]+)$/.exec(name)
  return match ? { project: match[1]!, dataset: match[2]!, table: match[3]! } : undefined
}

type StreamRef = {
  readonly table: TableRef
  /** `_default`, or the id the service gave. */
  readonly id: string
  /** The canonical spelling: `…/streams/<id>`. */
  readonly name: string
}

/** Parses a stream name; the default stream may be spelled with or without `streams/`. */
export function parseStreamName(name: string): StreamRef | undefined {
  const match = /^(projects\/[^/]+\/datasets\/[^/]+\/tables\/[^/]+)\/(?:(_default)|streams\/([^/]+))$/.exec(name)
  const table = match ? parseTableResource(match[1]!) : undefined
  if (!match || !table) return undefined
  const id = match[2] ?? match[3]!
  return { table, id, name: `${match[1]}/streams/${id}` }
}

export const DEFAULT_STREAM = '_default'
