// FORMAT_TIMESTAMP, PARSE_DATE and the like: BigQuery's format elements as DuckDB's.
// https://cloud.google.com/bigquery/docs/reference/standard-sql/format-elements#format_elements_date_time
import { quoteText } from '../../storage/duckdb-names.ts'
import { expr, once } from '../expr.ts'
import { notTranslated } from '../refused.ts'

const ELEMENT = /%(?:E(\d|\*)S|E4Y|Ez|E[a-zA-Z]?|[\s\S]|$)/g

/** Elements both have under one name. */
const SAME = 'AaBbdHIjMmpSUuVwWYyG'
const SHORTHANDS: Readonly<Record<string, string>> = {
  '%F': '%Y-%m-%d',
  '%T': '%H:%M:%S',
  '%R': '%H:%M',
  '%D': '%m/%d/%y',
  '%x': '%m/%d/%y',
  '%X': '%H:%M:%S',
  '%h': '%b',
  '%E4Y': '%Y',
  '%n': '\n',
  '%t': '\t',
}

function expanded(format: string): string {
  return format.replace(ELEMENT, element =>
    element === '%c' ? '%a %b %e %H:%M:%S %Y' : (SHORTHANDS[element] ?? element),
  )
}

/** Elements of a time zone are UTC's: the emulator formats other zones without them. */
export function formatTime(value: string, format: string, zone: string | undefined): string {
  return once([expr(value)], v => {
    const parts: string[] = []
    let plain = ''
    const flush = (): void => {
      if (plain !== '') parts.push(`strftime(${v}, ${quoteText(plain)})`)
      plain = ''
    }
    const special = (sql: string): void => {
      flush()
      parts.push(sql)
    }
    let at = 0
    const text = expanded(format)
    for (const found of text.matchAll(ELEMENT)) {
      plain += text.slice(at, found.index)
      at = found.index + found[0].length
      const [element, digits] = found
      if (element === '%%') plain += '%%'
      else if (element.length === 2 && SAME.includes(element[1]!)) plain += element
      else special(specialElement(element, digits, v, zone))
    }
    plain += text.slice(at)
    flush()
    return parts.length === 0 ? "''" : `(${parts.join(' || ')})`
  })
}

function specialElement(element: string, digits: string | undefined, v: string, zone: string | undefined): string {
  if (digits === '*') return `(strftime(${v}, '%S') || regexp_replace('.' || strftime(${v}, '%f'), '\\.?0+$', ''))`
  if (digits !== undefined && digits >= '1' && digits <= '6')
    return `(strftime(${v}, '%S.') || substring(strftime(${v}, '%f'), 1, ${digits}))`
  const isUtc = zone === undefined || /^(?:UTC|Etc\/UTC|\+00(?::00)?)$/.test(zone)
  switch (element) {
    case '%e':
      return `lpad(CAST(extract(day FROM ${v}) AS VARCHAR), 2, ' ')`
    case '%k':
      return `lpad(CAST(extract(hour FROM ${v}) AS VARCHAR), 2, ' ')`
    case '%l':
      return `lpad(CAST((extract(hour FROM ${v}) + 11) % 12 + 1 AS VARCHAR), 2, ' ')`
    case '%P':
      return `lower(strftime(${v}, '%p'))`
    case '%C':
      return `lpad(CAST(extract(year FROM ${v}) // 100 AS VARCHAR), 2, '0')`
    case '%Q':
      return `CAST(extract(quarter FROM ${v}) AS VARCHAR)`
    case '%s':
      if (isUtc) return `CAST(epoch_us(${v}) // 1000000 AS VARCHAR)`
      break
    case '%Z':
      if (isUtc) return "'UTC'"
      break
    case '%z':
      if (isUtc) return "'+0000'"
      break
    case '%Ez':
      if (isUtc) return "'+00:00'"
  }
  throw notTranslated(`The format element ${element}`)
}

/** The format in DuckDB's words, for parsing. */
export function parseFormat(format: string): string {
  return expanded(format).replace(ELEMENT, (element, digits: string | undefined) => {
    if (digits !== undefined) return '%S.%f'
    if (element === '%e') return '%d'
    if (element === '%k') return '%H'
    if (element === '%l') return '%I'
    if (element === '%Ez') return '%z'
    if (element === '%P') return '%p'
    if (element.length === 2 && 'AaBbdHIjMmpSYyz%'.includes(element[1]!)) return element
    throw notTranslated(`Parsing with the format element ${element}`)
  })
}
