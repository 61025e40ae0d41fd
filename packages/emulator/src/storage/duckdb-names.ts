// Names and texts in DuckDB's SQL, and where BigQuery's tables lie there.
import { datasetKey, type TableRef } from '../catalog/names.ts'

export type Place = { readonly schema: string; readonly name: string }

export const quoteName = (name: string): string => `"${name.replaceAll('"', '""')}"`
export const quoteText = (text: string): string => `'${text.replaceAll("'", "''")}'`
export const quotePlace = ({ schema, name }: Place): string => `${quoteName(schema)}.${quoteName(name)}`

/** BigQuery's project and dataset make the schema. */
export const tablePlace = (ref: TableRef): Place => ({ schema: datasetKey(ref), name: ref.table })
/** The physical name of a table, quoted. */
export const physicalName = (ref: TableRef): string => quotePlace(tablePlace(ref))
