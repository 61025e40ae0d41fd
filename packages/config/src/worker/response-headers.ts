// `response.http.headers.config` as Kafka Connect reads it: CSV of "[set|add|setDate|addDate] name:value".

export type ResponseHeader = {
  readonly action: 'set' | 'add' | 'setDate' | 'addDate'
  readonly name: string
  /** Text, or for a date how many milliseconds after now. */
  readonly value: string
}

const HEADERS_MAX = 50
const RULE = /^(set|add|setDate|addDate)\s+([!#$%&'*+.^_`|~0-9A-Za-z-]{1,200})\s*:\s*(.{0,2000})$/i
// biome-ignore lint/suspicious/noControlCharactersInRegex: a line break would end the header and begin another
const FORBIDDEN = /[\u0000-\u001f\u007f]|[^\u0000-\u00ff]/
const ACTIONS = ['set', 'add', 'setDate', 'addDate'] as const

/** The headers, or what is wrong with them. */
export function parseResponseHeaders(text: string): readonly ResponseHeader[] | string {
  const items = splitCsv(text)
  if (items === null) return 'A quotation mark is not closed'
  if (items.length > HEADERS_MAX) return `At most ${HEADERS_MAX} headers`
  const headers: ResponseHeader[] = []
  for (const item of items) {
    const [, action, name, value] = RULE.exec(item) ?? []
    if (name === undefined || value === undefined || FORBIDDEN.test(value)) {
      return 'Each item must be "[set|add|setDate|addDate] name:value"'
    }
    const known = ACTIONS.find(candidate => candidate.toLowerCase() === action?.toLowerCase()) ?? 'set'
    if (known.endsWith('Date') && !/^-?\d{1,15}$/.test(value)) return 'The value of a date must be milliseconds'
    headers.push({ action: known, name, value })
  }
  return headers
}

/** Items between commas; a quoted one may hold commas, and "" for a quotation mark. null: a quotation is not closed. */
function splitCsv(text: string): readonly string[] | null {
  const items: string[] = []
  let item = ''
  let isQuoted = false
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!
    if (isQuoted && char === '"' && text[i + 1] === '"') {
      item += '"'
      i += 1
    } else if (char === '"') isQuoted = !isQuoted
    else if (char === ',' && !isQuoted) {
      items.push(item.trim())
      item = ''
    } else item += char
  }
  if (isQuoted) return null
  return [...items, item.trim()].filter(one => one !== '')
}
