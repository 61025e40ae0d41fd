// BigQuery SELECT statements as DuckDB SQL: names of tables, literals, types in casts, and functions that differ by name or argument order.
// What is known not to translate is refused by name; the rest is left to DuckDB, whose own refusal reaches the caller.
import { datasetKey, type TableRef } from '../catalog/names.ts'
import { SqlRefused, type Token, tokenize } from './tokens.ts'

export { SqlRefused } from './tokens.ts'

export type SqlScope = {
  readonly project: string
  readonly dataset: string | undefined
  readonly findTable: (ref: TableRef) => TableRef | undefined
}

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`
const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`
export const quoteTable = (ref: TableRef): string => `${quote(datasetKey(ref))}.${quote(ref.table)}`

/** Types as CAST and literals name them. */
const TYPES: Readonly<Record<string, string>> = {
  INT64: 'BIGINT',
  INT: 'BIGINT',
  INTEGER: 'BIGINT',
  BIGINT: 'BIGINT',
  SMALLINT: 'BIGINT',
  TINYINT: 'BIGINT',
  FLOAT64: 'DOUBLE',
  STRING: 'VARCHAR',
  BYTES: 'BLOB',
  BOOL: 'BOOLEAN',
  BOOLEAN: 'BOOLEAN',
  NUMERIC: 'DECIMAL(38,9)',
  DECIMAL: 'DECIMAL(38,9)',
  DATE: 'DATE',
  TIME: 'TIME',
  DATETIME: 'TIMESTAMP',
  TIMESTAMP: 'TIMESTAMPTZ',
  JSON: 'JSON',
}
const LITERAL_TYPES: ReadonlySet<string> = new Set(['DATE', 'TIME', 'DATETIME', 'TIMESTAMP', 'NUMERIC', 'JSON'])

const RENAMED: Readonly<Record<string, string>> = {
  COUNTIF: 'count_if',
  LOGICAL_AND: 'bool_and',
  LOGICAL_OR: 'bool_or',
  GENERATE_ARRAY: 'generate_series',
  GENERATE_UUID: 'uuid',
  UNIX_MICROS: 'epoch_us',
  UNIX_MILLIS: 'epoch_ms',
  CHAR_LENGTH: 'length',
  CHARACTER_LENGTH: 'length',
  ARRAY_LENGTH: 'len',
  BYTE_LENGTH: 'strlen',
  TO_JSON_STRING: 'to_json',
  JSON_VALUE: 'json_extract_string',
  JSON_EXTRACT_SCALAR: 'json_extract_string',
  JSON_QUERY: 'json_extract',
  POW: 'pow',
  STARTS_WITH: 'starts_with',
  ENDS_WITH: 'ends_with',
  REGEXP_CONTAINS: 'regexp_matches',
  IS_NAN: 'isnan',
  IS_INF: 'isinf',
}

/** Reads the arguments, already translated; gives the call. */
const REWRITTEN: Readonly<Record<string, (args: readonly string[]) => string>> = {
  DIV: ([a, b]) => `(${a} // ${b})`,
  SAFE_DIVIDE: ([a, b]) => `(CASE WHEN ${b} = 0 THEN NULL ELSE ${a} / ${b} END)`,
  UNIX_SECONDS: ([a]) => `(epoch_us(${a}) // 1000000)`,
  TIMESTAMP_MICROS: ([a]) => `make_timestamptz(${a})`,
  TIMESTAMP_MILLIS: ([a]) => `make_timestamptz((${a}) * 1000)`,
  TIMESTAMP_SECONDS: ([a]) => `make_timestamptz((${a}) * 1000000)`,
  DATE_TRUNC: ([a, part]) => `CAST(date_trunc('${part}', ${a}) AS DATE)`,
  DATETIME_TRUNC: ([a, part]) => `date_trunc('${part}', ${a})`,
  TIMESTAMP_TRUNC: ([a, part]) => `date_trunc('${part}', ${a})`,
  DATE_DIFF: ([a, b, part]) => `date_diff('${part}', ${b}, ${a})`,
  TIMESTAMP_DIFF: ([a, b, part]) => `date_sub('${part}', ${b}, ${a})`,
  DATETIME_DIFF: ([a, b, part]) => `date_diff('${part}', ${b}, ${a})`,
  TO_HEX: ([a]) => `lower(hex(${a}))`,
  DATE: args => (args.length === 1 ? `CAST(${args[0]} AS DATE)` : `make_date(${args.join(', ')})`),
  CURRENT_TIMESTAMP: () => 'now()',
  CURRENT_DATETIME: () => "(now() AT TIME ZONE 'UTC')",
  CURRENT_DATE: () => "CAST(now() AT TIME ZONE 'UTC' AS DATE)",
  TO_JSON_STRING: ([a]) => `CAST(to_json(${a}) AS VARCHAR)`,
}

const REFUSED_FUNCTIONS: ReadonlySet<string> = new Set([
  'FARM_FINGERPRINT',
  'FORMAT',
  'FORMAT_TIMESTAMP',
  'FORMAT_DATE',
  'FORMAT_DATETIME',
  'PARSE_TIMESTAMP',
  'PARSE_DATE',
  'PARSE_DATETIME',
  'DATE_ADD',
  'DATE_SUB',
  'TIMESTAMP_ADD',
  'TIMESTAMP_SUB',
  'DATETIME_ADD',
  'DATETIME_SUB',
  'STRUCT',
  'ML',
  'APPROX_QUANTILES',
  'APPROX_TOP_COUNT',
  'BIGNUMERIC',
  'PARSE_NUMERIC',
  'ST_GEOGPOINT',
  'NET',
  'SPLIT',
  'TIMESTAMP',
  'DATETIME',
  'TIME',
  'STRING',
])
/** DuckDB's readers of files and settings have no business in BigQuery SQL. */
const FOREIGN_FUNCTION = /^(read_|parquet_|sniff_|glob$|getenv$|duckdb_|pragma_|query$|query_table$|sqlite_|postgres_)/i
/** Reserved in DuckDB and plain names in BigQuery: quoted. (duckdb_keywords() less BigQuery's reserved words and syntax.) */
const QUOTED_WORDS: ReadonlySet<string> = new Set(
  (
    'ANALYSE ANALYZE ANTI ASOF ASYMMETRIC AUTHORIZATION BINARY BOTH CHECK COLLATION COLUMN COLUMNS CONCURRENTLY CONSTRAINT DEFERRABLE ' +
    'DESCRIBE DO FOREIGN FREEZE GENERATED GLOB ILIKE INITIALLY ISNULL LAMBDA MAP NOTNULL ONLY OVERLAPS PLACING POSITIONAL PRIMARY ' +
    'REFERENCES RETURNING SEMI SHOW SIMILAR SUMMARIZE SYMMETRIC TABLE UNIQUE UNPACK VARIADIC VERBOSE'
  ).split(' '),
)
const TABLE_WORDS: ReadonlySet<string> = new Set(['FROM', 'JOIN'])

/** Throws SqlRefused. */
export function translateSql(sql: string, scope: SqlScope): string {
  const tokens = tokenize(sql).filter(token => token.kind !== 'space')
  while (tokens.at(-1)?.text === ';' && tokens.at(-1)?.kind === 'symbol') tokens.pop()
  const first = tokens[0]
  const isQuery = first && ((first.kind === 'word' && /^(SELECT|WITH)$/i.test(first.text)) || first.text === '(')
  if (!isQuery)
    throw new SqlRefused(
      `Only queries (SELECT, WITH) are supported by this emulator, not ${first?.text ?? 'an empty statement'}`,
    )
  const translator = new Translator(tokens, scope)
  const text = translator.until(() => false)
  return text
}

class Translator {
  private readonly tokens: readonly Token[]
  private readonly scope: SqlScope
  private at = 0
  /** Names defined by WITH, which are no tables. */
  private readonly defined: ReadonlySet<string>

  constructor(tokens: readonly Token[], scope: SqlScope) {
    this.tokens = tokens
    this.scope = scope
    this.defined = new Set(
      tokens.flatMap((token, i) =>
        isWord(tokens[i + 1], 'AS') && tokens[i + 2]?.text === '(' && isName(token) ? [token.text.toLowerCase()] : [],
      ),
    )
  }

  private peek(ahead = 0): Token | undefined {
    return this.tokens[this.at + ahead]
  }

  private isSymbol(text: string, ahead = 0): boolean {
    const token = this.peek(ahead)
    return token?.kind === 'symbol' && token.text === text
  }

  /** Translates up to the token at which `stop` holds, at this nesting level. */
  until(stop: () => boolean): string {
    const out: string[] = []
    while (this.at < this.tokens.length && !stop()) out.push(this.next())
    return out.join(' ').replace(/ ?\. ?(?=["\w*])/g, match => (match === ' . ' ? '.' : match))
  }

  private next(): string {
    const token = this.tokens[this.at]!
    switch (token.kind) {
      case 'string':
        this.at++
        return literal(token.text)
      case 'bytes':
        this.at++
        return `from_hex(${literal(Buffer.from(token.text, 'latin1').toString('hex'))})`
      case 'quoted':
        return this.quotedName()
      case 'word':
        return this.word()
      case 'symbol':
        if (token.text === ';') throw new SqlRefused('Only one statement at a time is supported by this emulator')
        if (token.text === '?') throw new SqlRefused('Query parameters are not supported by this emulator yet')
        if (token.text === '(') return this.parenthesis()
        this.at++
        return token.text === '!=' ? '<>' : token.text
      default:
        this.at++
        return token.text
    }
  }

  private parenthesis(): string {
    this.at++
    const inside = this.until(() => this.isSymbol(')'))
    this.expectSymbol(')')
    return `(${inside})`
  }

  private expectSymbol(text: string): void {
    if (!this.isSymbol(text))
      throw new SqlRefused(`Syntax error: Expected "${text}" but got ${this.peek()?.text ?? 'end of script'}`)
    this.at++
  }

  /** A backticked name: with dots in it, a table. */
  private quotedName(): string {
    const { text } = this.tokens[this.at]!
    if (text.includes('.')) {
      this.at++
      return this.table(text.split('.'))
    }
    this.at++
    return quote(text)
  }

  private word(): string {
    const { text } = this.tokens[this.at]!
    const upper = text.toUpperCase()
    if (text.startsWith('@')) throw new SqlRefused('Query parameters are not supported by this emulator yet')
    const isField = this.at > 0 && this.isSymbol('.', -1)
    if (isField || (QUOTED_WORDS.has(upper) && !this.isSymbol('(', 1))) {
      this.at++
      return quote(text)
    }
    if (TABLE_WORDS.has(upper)) return this.from(text)
    if (upper === 'INFORMATION_SCHEMA') throw new SqlRefused('INFORMATION_SCHEMA is not supported by this emulator')
    if (this.isSymbol('(', 1)) return this.call(text, upper)
    const following = this.peek(1)
    if (LITERAL_TYPES.has(upper) && following?.kind === 'string') {
      this.at += 2
      return `CAST(${literal(following.text)} AS ${TYPES[upper]})`
    }
    this.at++
    return text
  }

  /** FROM or JOIN, and the table names behind it; also in `EXTRACT(x FROM y)` and `IS DISTINCT FROM`, which have none. */
  private from(text: string): string {
    this.at++
    const before = this.peek(-2)
    if (isWord(before, 'DISTINCT') && isWord(this.peek(-3), 'IS', 'NOT')) return text
    const out = [text, this.tableItem()]
    while (this.isSymbol(',')) {
      this.at++
      out.push(',', this.tableItem())
    }
    return out.join(' ')
  }

  /** One item of a FROM list up to the next comma or clause; only its head may be a table name. */
  private tableItem(): string {
    if (this.peek()?.kind === 'string')
      throw new SqlRefused(`Syntax error: Unexpected string literal "${this.peek()!.text}" in FROM`)
    const path = this.path()
    const head = path ? this.tableOrName(path) : ''
    const rest = this.until(
      () =>
        this.isSymbol(',') ||
        this.isSymbol(')') ||
        isWord(
          this.peek(),
          'JOIN',
          'WHERE',
          'GROUP',
          'ORDER',
          'HAVING',
          'LIMIT',
          'QUALIFY',
          'UNION',
          'EXCEPT',
          'INTERSECT',
          'WINDOW',
          'ON',
          'USING',
          'INNER',
          'LEFT',
          'RIGHT',
          'FULL',
          'CROSS',
        ),
    )
    return [head, rest].filter(part => part !== '').join(' ')
  }

  /** A dotted path at this position, dashes in its first part allowed; undefined when it is a call or no path. */
  private path(): string[] | undefined {
    const start = this.at
    if (!isName(this.peek()) || (this.peek()!.kind === 'word' && this.isSymbol('(', 1))) return undefined
    const parts: string[] = []
    for (;;) {
      const token = this.tokens[this.at++]!
      let name = token.text
      if (token.kind === 'word' && parts.length === 0)
        while (this.isSymbol('-') && (this.peek(1)?.kind === 'word' || this.peek(1)?.kind === 'number')) {
          name += `-${this.peek(1)!.text}`
          this.at += 2
        }
      parts.push(...(token.kind === 'quoted' ? name.split('.') : [name]))
      if (!this.isSymbol('.') || !isName(this.peek(1))) break
      this.at++
    }
    if (this.isSymbol('(')) {
      this.at = start
      return undefined
    }
    return parts
  }

  private tableOrName(path: readonly string[]): string {
    if (path.length === 1) {
      const name = path[0]!
      if (this.defined.has(name.toLowerCase())) return quote(name)
      if (this.scope.dataset !== undefined) return this.table([this.scope.project, this.scope.dataset, name])
      throw new SqlRefused(`Table "${name}" must be qualified with a dataset (e.g. dataset.table).`)
    }
    return this.table(path)
  }

  private table(path: readonly string[]): string {
    if (path.some(part => part.toUpperCase() === 'INFORMATION_SCHEMA'))
      throw new SqlRefused('INFORMATION_SCHEMA is not supported by this emulator')
    const [table, dataset, ...project] = [...path].reverse()
    const ref = {
      project: project.length > 0 ? project.reverse().join('.') : this.scope.project,
      dataset: dataset ?? '',
      table: table ?? '',
    }
    const found = this.scope.findTable(ref)
    if (!found)
      throw new SqlRefused(`Not found: Table ${ref.project}:${ref.dataset}.${ref.table} was not found`, 'notFound')
    return quoteTable(found)
  }

  private call(text: string, upper: string): string {
    if (upper === 'CAST' || upper === 'SAFE_CAST') return this.cast(upper)
    if (upper === 'EXTRACT') return this.extract()
    if (upper === 'EXCEPT' && (this.isSymbol('*', -1) || this.isSymbol('.', -1))) {
      this.at++
      return `EXCLUDE ${this.parenthesis()}`
    }
    if (REFUSED_FUNCTIONS.has(upper) || FOREIGN_FUNCTION.test(text))
      throw new SqlRefused(`Function ${text} is not translated by this emulator`)
    const rewrite = REWRITTEN[upper]
    this.at++
    if (rewrite) return rewrite(this.arguments())
    return `${RENAMED[upper] ?? text}${this.parenthesis()}`
  }

  private arguments(): string[] {
    this.expectSymbol('(')
    const args: string[] = []
    while (!this.isSymbol(')')) {
      args.push(this.until(() => this.isSymbol(',') || this.isSymbol(')')))
      if (this.isSymbol(',')) this.at++
      else if (this.at >= this.tokens.length) break
    }
    this.expectSymbol(')')
    return args
  }

  private cast(name: string): string {
    this.at += 2
    const value = this.until(() => isWord(this.peek(), 'AS') || this.isSymbol(')'))
    if (!isWord(this.peek(), 'AS')) throw new SqlRefused('Syntax error: Expected "AS" in CAST')
    this.at++
    const type = this.peek()?.text.toUpperCase() ?? ''
    const target = TYPES[type]
    if (!target || !this.isSymbol(')', 1))
      throw new SqlRefused(`CAST to ${type || 'nothing'} is not translated by this emulator`)
    this.at += 2
    return `${name === 'CAST' ? 'CAST' : 'TRY_CAST'}(${value} AS ${target})`
  }

  private extract(): string {
    this.at += 2
    const part = this.until(() => isWord(this.peek(), 'FROM') || this.isSymbol(')'))
    if (!isWord(this.peek(), 'FROM')) throw new SqlRefused('Syntax error: Expected "FROM" in EXTRACT')
    this.at++
    const value = this.until(() => this.isSymbol(')'))
    this.expectSymbol(')')
    if (/^date$/i.test(part)) return `CAST(${value} AS DATE)`
    // BigQuery counts Sunday as 1, DuckDB as 0.
    return /^dayofweek$/i.test(part) ? `(extract(dow FROM ${value}) + 1)` : `extract(${part} FROM ${value})`
  }
}

const isName = (token: Token | undefined): boolean => token?.kind === 'word' || token?.kind === 'quoted'
const isWord = (token: Token | undefined, ...words: readonly string[]): boolean =>
  token?.kind === 'word' && words.includes(token.text.toUpperCase())
