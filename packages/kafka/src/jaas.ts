// sasl.jaas.config: `module.Class required name="value" …;` as the Java client writes it. Only Kafka's own login modules
// are known: any other class name in there has been a way to run code in Java clients (CVE-2023-25194).
import { MillraceError } from '@millrace/core'

export type JaasEntry = { readonly module: string; readonly options: ReadonlyMap<string, string> }

const KEY = 'sasl.jaas.config'
const FLAGS: ReadonlySet<string> = new Set(['required', 'requisite', 'sufficient', 'optional'])

/** Never shows a value in its errors: they are passwords. */
export function parseJaas(text: string): JaasEntry {
  const tokens = tokenize(text)
  const module = tokens.shift()
  const flag = tokens.shift()
  if (module?.kind !== 'word' || flag?.kind !== 'word' || !FLAGS.has(flag.text.toLowerCase()))
    throw invalid('must begin with a login module class and "required"')
  const options = new Map<string, string>()
  for (;;) {
    const name = tokens.shift()
    if (name === undefined) throw invalid('must end with a semicolon')
    if (name.kind === 'end') break
    const equals = tokens.shift()
    const value = tokens.shift()
    if (
      name.kind !== 'word' ||
      equals?.kind !== 'equals' ||
      value === undefined ||
      value.kind === 'end' ||
      value.kind === 'equals'
    )
      throw invalid(
        `has an option that is not name="value"${name.kind === 'word' && equals?.kind === 'equals' ? ` (${name.text})` : ''}`,
      )
    options.set(name.text, value.text)
  }
  if (tokens.length > 0) throw invalid('must hold one login module only')
  return { module: module.text, options }
}

type Token = { readonly kind: 'word' | 'string' | 'equals' | 'end'; readonly text: string }

function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  while (at < text.length) {
    const char = text[at]!
    if (/\s/.test(char)) at++
    else if (char === ';') at = push({ kind: 'end', text: char }, at + 1)
    else if (char === '=') at = push({ kind: 'equals', text: char }, at + 1)
    else if (char === '"' || char === "'") at = quoted(char, at + 1)
    else {
      let end = at
      while (end < text.length && !/[\s;="']/.test(text[end]!)) end++
      at = push({ kind: 'word', text: text.slice(at, end) }, end)
    }
  }
  return tokens

  function push(token: Token, next: number): number {
    tokens.push(token)
    return next
  }
  function quoted(quote: string, start: number): number {
    let value = ''
    for (let i = start; i < text.length; i++) {
      if (text[i] === quote) return push({ kind: 'string', text: value }, i + 1)
      if (text[i] === '\\' && i + 1 < text.length) i++
      value += text[i]
    }
    throw invalid('has a quote that is not closed')
  }
}

const invalid = (what: string): MillraceError => new MillraceError('CONFIG_INVALID', 'failPartition', `${KEY} ${what}.`)
