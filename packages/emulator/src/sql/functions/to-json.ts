// TO_JSON and TO_JSON_STRING. https://cloud.google.com/bigquery/docs/reference/standard-sql/json_functions#json_encodings
import { quoteName, quoteText } from '../../storage/duckdb-names.ts'
import { type Expr, expr, once } from '../expr.ts'
import { notTranslated } from '../refused.ts'
import type { SqlType } from '../types.ts'

/** JSON is written anew, as BigQuery shows it: without spaces, 2.50 as 2.5. */
export function jsonText(value: Expr): string {
  return `coalesce(CAST(${jsonValue(value.sql, value.type)} AS VARCHAR), 'null')`
}

export const jsonValue = (sql: string, type: SqlType | undefined): string => `to_json(${encodable(sql, type, 0)})`

/** A value whose plain JSON is what BigQuery writes. */
function encodable(sql: string, type: SqlType | undefined, depth: number): string {
  switch (type?.name) {
    case undefined:
    case 'BOOL':
    case 'STRING':
    case 'DATE':
    case 'TIME':
    case 'JSON':
    case 'GEOGRAPHY':
      return sql
    case 'FLOAT64':
      // Whole numbers have no point; NaN and infinities are strings.
      return once(
        [expr(sql)],
        v =>
          `(CASE WHEN isnan(${v}) THEN to_json('NaN') WHEN isinf(${v}) THEN to_json(CASE WHEN ${v} > 0 THEN 'Infinity' ELSE '-Infinity' END) WHEN ${v} = trunc(${v}) AND abs(${v}) < 1e15 THEN to_json(CAST(${v} AS BIGINT)) ELSE to_json(${v}) END)`,
      )
    case 'INT64':
      // Beyond 2^53 numbers are strings, to be exact everywhere.
      return once(
        [expr(sql)],
        v =>
          `(CASE WHEN abs(CAST(${v} AS HUGEINT)) > 9007199254740992 THEN to_json(CAST(${v} AS VARCHAR)) ELSE to_json(${v}) END)`,
      )
    case 'NUMERIC':
      return `CAST(regexp_replace(CAST(${sql} AS VARCHAR), '\\.?0+$', '') AS JSON)`
    case 'BIGNUMERIC':
      return `CAST(${sql} AS JSON)`
    case 'BYTES':
      return `to_base64(${sql})`
    case 'TIMESTAMP':
      return once([expr(sql)], v => `(strftime(${v}, '%Y-%m-%dT%H:%M:%S') || ${fraction(v)} || 'Z')`)
    case 'DATETIME':
      return once([expr(sql)], v => `(strftime(${v}, '%Y-%m-%dT%H:%M:%S') || ${fraction(v)})`)
    case 'ARRAY': {
      const item = `e${depth}`
      return `list_transform(coalesce(${sql}, []), lambda ${item}: ${encodable(item, type.element, depth + 1)})`
    }
    case 'STRUCT': {
      if (!type.fields) return sql
      const fields = type.fields.map(
        field =>
          `${quoteName(field.name)} := ${encodable(`struct_extract(${sql}, ${quoteText(field.name)})`, field.type, depth)}`,
      )
      return `(CASE WHEN ${sql} IS NULL THEN NULL ELSE struct_pack(${fields.join(', ')}) END)`
    }
    default:
      throw notTranslated(`JSON of ${type!.name}`)
  }
}

const fraction = (v: string): string =>
  `(CASE WHEN epoch_us(${v}) % 1000000 = 0 THEN '' ELSE '.' || regexp_replace(strftime(${v}, '%f'), '(000)?$', '') END)`
