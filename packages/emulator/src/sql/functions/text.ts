// https://cloud.google.com/bigquery/docs/reference/standard-sql/string_functions and …/hash_functions
import { toText } from '../casts.ts'
import { type Expr, expr, isBytes, once } from '../expr.ts'
import { concatenate } from '../operators.ts'
import { notTranslated, SqlRefused } from '../refused.ts'
import { arrayOf, BOOL, BYTES, INT64, type SqlType, STRING } from '../types.ts'
import { formatText } from './format-text.ts'
import { ANY_COUNT, type FunctionTable, fn, type SqlFunction } from './function-table.ts'

/** A function of strings; BYTES are refused by name. */
const text = (bigqueryName: string, name: string, min: number, max: number, type: SqlType | undefined): SqlFunction =>
  fn(min, max, (...args) => {
    refuseBytes(bigqueryName, args)
    return expr(`${name}(${args.map(arg => arg.sql).join(', ')})`, type)
  })

function refuseBytes(name: string, args: readonly Expr[]): void {
  if (args.some(isBytes)) throw notTranslated(`${name} of BYTES`)
}

const length: SqlFunction = fn(1, 1, value =>
  expr(isBytes(value!) ? `octet_length(${value!.sql})` : `length(${value!.sql})`, INT64),
)

/**
 * Positions count from 1, 0 is 1, negative ones count from the end and stop at the start.
 * https://cloud.google.com/bigquery/docs/reference/standard-sql/string_functions#substr
 */
const substring: SqlFunction = fn(2, 3, (value, position, count) => {
  const isBlob = isBytes(value!)
  const sql = once([value!, position!, ...(count ? [count] : [])], (v, p, n) => {
    const size = isBlob ? `octet_length(${v})` : `length(${v})`
    const start = `(CASE WHEN ${p} > 0 THEN ${p} WHEN ${p} = 0 THEN 1 ELSE greatest(${size} + ${p} + 1, 1) END)`
    const wanted =
      n === undefined
        ? size
        : `(CASE WHEN ${n} < 0 THEN error('Third argument in SUBSTR() cannot be negative') ELSE ${n} END)`
    return isBlob
      ? `array_slice(${v}, ${start}, ${start} + ${wanted} - 1)`
      : `substring(${v}, ${start}, CAST(least(${wanted}, 2147483647) AS BIGINT))`
  })
  return expr(sql, value!.type ?? STRING)
})

/** Groups of a literal pattern that give a value. */
function captureCount(pattern: Expr, name: string): number {
  if (pattern.literal === undefined) throw notTranslated(`${name} with a pattern that is not a literal`)
  let count = 0
  let isInClass = false
  for (let at = 0; at < pattern.literal.length; at++) {
    const char = pattern.literal[at]
    if (char === '\\') at++
    else if (char === '[') isInClass = true
    else if (char === ']') isInClass = false
    else if (char === '(' && !isInClass && !/^\?(?!P?<[A-Za-z_])/.test(pattern.literal.slice(at + 1, at + 5))) count++
  }
  if (count > 1)
    throw new SqlRefused(
      `Regular expressions passed into extraction functions must not have more than 1 capturing group`,
    )
  return count
}

/** NULL where nothing matches; DuckDB gives an empty string. */
const regexpExtract: SqlFunction = fn(2, 4, (value, pattern, position, occurrence) => {
  refuseBytes('REGEXP_EXTRACT', [value!])
  const group = captureCount(pattern!, 'REGEXP_EXTRACT')
  const from = position ? `substring(${value!.sql}, ${position.sql})` : value!.sql
  if (occurrence) return expr(`regexp_extract_all(${from}, ${pattern!.sql}, ${group})[${occurrence.sql}]`, STRING)
  return expr(
    once(
      [expr(from), pattern!],
      (v, p) => `(CASE WHEN regexp_matches(${v}, ${p}) THEN regexp_extract(${v}, ${p}, ${group}) END)`,
    ),
    STRING,
  )
})

/** Without a set, TRIM takes white space of every kind, DuckDB's only blanks. */
const trim = (name: string): SqlFunction =>
  fn(1, 2, (value, set) => {
    refuseBytes(name.toUpperCase(), [value!])
    return expr(
      `${name}(${value!.sql}, ${set?.sql ?? `' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || chr(160)`})`,
      STRING,
    )
  })

const hash = (name: string): SqlFunction => fn(1, 1, value => expr(`unhex(${name}(${value!.sql}))`, BYTES))

const pad = (name: string): SqlFunction =>
  fn(2, 3, (value, size, pattern) => {
    refuseBytes(name.toUpperCase(), [value!])
    return expr(`${name}(${value!.sql}, CAST(${size!.sql} AS INTEGER), ${pattern?.sql ?? "' '"})`, STRING)
  })

const initcap: SqlFunction = fn(1, 1, value =>
  expr(
    `array_to_string(list_transform(regexp_extract_all(${value!.sql}, '[\\p{L}\\p{N}]+|[^\\p{L}\\p{N}]+'), lambda w: upper(w[1]) || lower(w[2:])), '')`,
    STRING,
  ),
)

export const TEXT_FUNCTIONS: FunctionTable = {
  LENGTH: length,
  CHAR_LENGTH: length,
  CHARACTER_LENGTH: length,
  BYTE_LENGTH: fn(1, 1, value =>
    expr(isBytes(value!) ? `octet_length(${value!.sql})` : `strlen(${value!.sql})`, INT64),
  ),
  OCTET_LENGTH: fn(1, 1, value =>
    expr(isBytes(value!) ? `octet_length(${value!.sql})` : `strlen(${value!.sql})`, INT64),
  ),
  UPPER: text('UPPER', 'upper', 1, 1, STRING),
  LOWER: text('LOWER', 'lower', 1, 1, STRING),
  INITCAP: initcap,
  CONCAT: fn(
    1,
    ANY_COUNT,
    (first, ...rest) => rest.reduce((joined, value) => concatenate(joined!, textOf(value)), textOf(first!))!,
  ),
  SUBSTR: substring,
  SUBSTRING: substring,
  LEFT: fn(2, 2, (value, count) => substring.translate([value!, expr('(1::BIGINT)'), count!])),
  RIGHT: fn(2, 2, (value, count) => {
    refuseBytes('RIGHT', [value!])
    return expr(`right(${value!.sql}, ${count!.sql})`, STRING)
  }),
  STRPOS: text('STRPOS', 'strpos', 2, 2, INT64),
  INSTR: fn(2, 2, (value, part) => expr(`strpos(${value!.sql}, ${part!.sql})`, INT64)),
  STARTS_WITH: text('STARTS_WITH', 'starts_with', 2, 2, BOOL),
  ENDS_WITH: text('ENDS_WITH', 'ends_with', 2, 2, BOOL),
  CONTAINS_SUBSTR: fn(2, 2, (value, part) => {
    if (value!.type && value!.type.name !== 'STRING') throw notTranslated('CONTAINS_SUBSTR of anything but a STRING')
    return expr(`contains(lower(nfc_normalize(${value!.sql})), lower(nfc_normalize(${part!.sql})))`, BOOL)
  }),
  TRIM: trim('trim'),
  LTRIM: trim('ltrim'),
  RTRIM: trim('rtrim'),
  LPAD: pad('lpad'),
  RPAD: pad('rpad'),
  REPEAT: text('REPEAT', 'repeat', 2, 2, STRING),
  REVERSE: text('REVERSE', 'reverse', 1, 1, STRING),
  REPLACE: fn(3, 3, (value, from, to) => {
    refuseBytes('REPLACE', [value!])
    // BigQuery leaves the text alone when there is nothing to look for.
    return expr(`replace(${value!.sql}, ${from!.sql}, ${to!.sql})`, STRING)
  }),
  TRANSLATE: text('TRANSLATE', 'translate', 3, 3, STRING),
  ASCII: fn(1, 1, value => expr(`CAST(ascii(${value!.sql}) AS BIGINT)`, INT64)),
  UNICODE: fn(1, 1, value => expr(`CAST(ascii(${value!.sql}) AS BIGINT)`, INT64)),
  CHR: fn(1, 1, value => expr(`chr(CAST(${value!.sql} AS INTEGER))`, STRING)),
  SPLIT: fn(1, 2, (value, delimiter) => {
    refuseBytes('SPLIT', [value!])
    return expr(`string_split(${value!.sql}, ${delimiter?.sql ?? "','"})`, arrayOf(STRING))
  }),
  FORMAT: fn(1, ANY_COUNT, (format, ...values) => formatText(format!, values)),
  REGEXP_CONTAINS: text('REGEXP_CONTAINS', 'regexp_matches', 2, 2, BOOL),
  REGEXP_EXTRACT: regexpExtract,
  REGEXP_SUBSTR: regexpExtract,
  REGEXP_EXTRACT_ALL: fn(2, 2, (value, pattern) =>
    expr(
      `regexp_extract_all(${value!.sql}, ${pattern!.sql}, ${captureCount(pattern!, 'REGEXP_EXTRACT_ALL')})`,
      arrayOf(STRING),
    ),
  ),
  REGEXP_REPLACE: fn(3, 3, (value, pattern, replacement) => {
    refuseBytes('REGEXP_REPLACE', [value!])
    return expr(`regexp_replace(${value!.sql}, ${pattern!.sql}, ${replacement!.sql}, 'g')`, STRING)
  }),
  NORMALIZE: fn(1, 2, (value, mode) => {
    if (mode && mode.name?.toUpperCase() !== 'NFC') throw notTranslated('NORMALIZE in other forms than NFC')
    return expr(`nfc_normalize(${value!.sql})`, STRING)
  }),
  TO_HEX: fn(1, 1, value => expr(`lower(hex(${value!.sql}))`, STRING)),
  FROM_HEX: fn(1, 1, value => expr(`unhex(${value!.sql})`, BYTES)),
  TO_BASE64: fn(1, 1, value => expr(`to_base64(${value!.sql})`, STRING)),
  FROM_BASE64: fn(1, 1, value => expr(`from_base64(${value!.sql})`, BYTES)),
  TO_CODE_POINTS: fn(1, 1, value => {
    refuseBytes('TO_CODE_POINTS', [value!])
    return expr(`list_transform(string_split(${value!.sql}, ''), lambda c: CAST(ascii(c) AS BIGINT))`, arrayOf(INT64))
  }),
  CODE_POINTS_TO_STRING: fn(1, 1, value =>
    expr(`array_to_string(list_transform(${value!.sql}, lambda c: chr(CAST(c AS INTEGER))), '')`, STRING),
  ),
  SAFE_CONVERT_BYTES_TO_STRING: fn(1, 1, value => expr(`TRY(decode(${value!.sql}))`, STRING)),
  MD5: hash('md5'),
  SHA1: hash('sha1'),
  SHA256: hash('sha256'),
  GENERATE_UUID: fn(0, 0, () => expr('CAST(uuid() AS VARCHAR)', STRING)),
}

/** CONCAT takes values of every type as text. */
function textOf(value: Expr): Expr {
  const from = value.type?.name
  if (value.isNull) return expr('CAST(NULL AS VARCHAR)', STRING)
  if (from === undefined || from === 'STRING' || from === 'BYTES') return value
  return expr(toText(value.sql, from), STRING)
}
