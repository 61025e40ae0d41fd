// Reads Java's .properties syntax (java.util.Properties.load): `=`, `:` or white space between key and value, `#` and `!` comments,
// a trailing backslash continues the line, escapes \t \n \r \f \\ \: \= \uXXXX.
import { MillraceError } from '@millrace/core'

export type Property = { readonly value: string; readonly line: number }

/** A worker file is a few kilobytes; anything near this is not one. */
const FILE_CHARACTERS_MAX = 1_000_000

/** Later lines win, as in Java. Throws CONFIG_INVALID naming file and line for a malformed escape. */
export function parseProperties(text: string, path: string): ReadonlyMap<string, Property> {
  if (text.length > FILE_CHARACTERS_MAX) {
    throw new MillraceError('CONFIG_INVALID', 'failPartition', `${path} is too large for a properties file.`)
  }
  const properties = new Map<string, Property>()
  for (const { content, line } of logicalLines(text)) {
    const { key, value } = splitLine(content)
    properties.set(decodeEscapes(key, path, line), { value: decodeEscapes(value, path, line), line })
  }
  return properties
}

type LogicalLine = { readonly content: string; readonly line: number }

function logicalLines(text: string): readonly LogicalLine[] {
  const lines: LogicalLine[] = []
  let open: LogicalLine | null = null
  for (const [index, physical] of text
    .replace(/^\ufeff/, '')
    .split(/\r\n|\n|\r/)
    .entries()) {
    const content = physical.replace(/^[ \t\f]+/, '')
    if (open === null && /^[#!]/.test(content)) continue
    const joined: LogicalLine = { content: (open?.content ?? '') + content, line: open?.line ?? index + 1 }
    const isContinued = endsInContinuation(content)
    if (!isContinued) lines.push(joined)
    open = isContinued ? { ...joined, content: joined.content.slice(0, -1) } : null
  }
  if (open !== null) lines.push(open)
  return lines.filter(line => line.content !== '')
}

/** An odd number of backslashes at the end: the last one is not escaped itself. */
const endsInContinuation = (content: string): boolean => (/\\*$/.exec(content)?.[0].length ?? 0) % 2 === 1

function splitLine(content: string): { readonly key: string; readonly value: string } {
  let end = 0
  while (end < content.length && !/[=: \t\f]/.test(content[end]!)) end += content[end] === '\\' ? 2 : 1
  const value = content.slice(end).replace(/^[ \t\f]*[=:]?[ \t\f]*/, '')
  return { key: content.slice(0, end), value }
}

const NAMED: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' }

function decodeEscapes(text: string, path: string, line: number): string {
  return text.replace(/\\(u[0-9a-fA-F]{4}|u|.|$)/gs, (_, escaped: string) => {
    if (escaped === 'u') {
      throw new MillraceError('CONFIG_INVALID', 'failPartition', `${path}:${line}: malformed \\uXXXX escape.`)
    }
    if (/^u.{4}$/.test(escaped)) return String.fromCharCode(Number.parseInt(escaped.slice(1), 16))
    return NAMED[escaped] ?? escaped
  })
}
