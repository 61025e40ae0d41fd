// Finds `${provider:[path:]key}` in texts and puts in what it stands for: any number in one value, none inside another, and what
// comes out is not looked at again. A placeholder that does not resolve is an error: as a literal it would be a wrong password.
import { type ConfigError, invalid, type RawConfig } from '../definition/key.ts'
import { type ConfigProviders, type ProviderAnswer, problem } from './config-provider.ts'

type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'placeholder'; readonly provider: string; readonly path: string | null; readonly key: string }

export type Resolution = {
  /** As given where nothing is to be resolved, or cannot be. */
  readonly config: RawConfig
  /** Keys whose values hold placeholders. */
  readonly keys: ReadonlySet<string>
  /** What placeholders stood for: to be kept out of every message. */
  readonly values: readonly string[]
  readonly errors: readonly ConfigError[]
}

/** Each may read a file, and a real config has a dozen. */
const PLACEHOLDERS_MAX = 200
/** Of one value; what is beyond stays in the last piece, and the value is refused. Each placeholder has a text before it. */
const PIECES_MAX = 2 * PLACEHOLDERS_MAX
/** Of one value when everything is put in: a key file is 3 kB. */
const RESOLVED_CHARACTERS_MAX = 1024 * 1024
/** Of all values that are put into one config. Nothing more is read then. */
const READ_CHARACTERS_MAX = 4 * 1024 * 1024

export function resolvePlaceholders(raw: RawConfig, providers: ConfigProviders): Resolution {
  const config = new Map<string, string>(Object.entries(raw))
  const keys = new Set<string>()
  const values: string[] = []
  const errors: ConfigError[] = []
  const lookUp = boundedLookUp(providers)
  let count = 0
  for (const [key, text] of Object.entries(raw)) {
    const pieces = piecesOf(text)
    if (pieces === null) continue
    keys.add(key)
    count += pieces.filter(piece => piece.kind === 'placeholder').length
    if (count > PLACEHOLDERS_MAX) {
      errors.push(invalid(key, `Configuration ${key}: there are more than ${PLACEHOLDERS_MAX} placeholders.`))
      continue
    }
    const resolved = pieces.map(piece => (piece.kind === 'text' ? piece : lookUp(piece)))
    const failed = resolved.flatMap((piece, index) => (piece.kind === 'problem' ? [{ piece, index }] : []))[0]
    if (failed !== undefined) {
      const asked = pieces[failed.index]
      const name = asked?.kind === 'placeholder' ? shown(asked.provider) : ''
      const what = `the placeholder of config provider ${name} cannot be resolved: ${failed.piece.problem}`
      errors.push(invalid(key, `Configuration ${key}: ${what}.`))
      continue
    }
    for (const piece of resolved) if (piece.kind === 'value') values.push(piece.value)
    const whole = resolved.map(piece =>
      piece.kind === 'text' ? piece.text : piece.kind === 'value' ? piece.value : '',
    )
    const joined = whole.join('')
    if (joined.length > RESOLVED_CHARACTERS_MAX) {
      errors.push(invalid(key, `Configuration ${key}: what its placeholders stand for is too long.`))
    } else config.set(key, joined)
  }
  return { config: Object.fromEntries(config), keys, values, errors }
}

/** A name is a few letters; something else in its place is not repeated. */
const shown = (provider: string): string => (/^[\w.-]{1,64}$/.test(provider) ? provider : '(not a name)')

type Placeholder = Extract<Piece, { kind: 'placeholder' }>

/** The same placeholder is read once. */
function boundedLookUp(providers: ConfigProviders): (placeholder: Placeholder) => ProviderAnswer {
  const answers = new Map<string, ProviderAnswer>()
  let characters = 0
  return placeholder => {
    const id = JSON.stringify(placeholder)
    const known = answers.get(id)
    if (known !== undefined) return known
    if (characters > READ_CHARACTERS_MAX)
      return problem('what the placeholders of one configuration stand for is too long')
    const answer = lookUp(placeholder, providers)
    if (answer.kind === 'value') characters += answer.value.length
    answers.set(id, answer)
    return answer
  }
}

function lookUp({ provider, path, key }: Placeholder, providers: ConfigProviders): ProviderAnswer {
  if (key.includes('$' + '{') || path?.includes('$' + '{')) return problem('placeholders may not be nested')
  const found = providers.byName.get(provider)
  if (found === undefined) return problem('config.providers of the worker does not name it')
  const answer = found.get(path, key)
  if (answer.kind === 'value') providers.onValue(answer.value)
  return answer
}

export const hasPlaceholder = (text: string): boolean => piecesOf(text) !== null

/** null when there is no placeholder: a `${` needs a `}` after it and a colon between. Linear, which a regex for it is not. */
function piecesOf(text: string): readonly Piece[] | null {
  const pieces: Piece[] = []
  let from = 0
  let at = text.indexOf('$' + '{')
  while (at >= 0 && pieces.length <= PIECES_MAX) {
    const end = text.indexOf('}', at)
    if (end < 0) break
    const inner = text.slice(at + 2, end)
    const colon = inner.indexOf(':')
    if (colon >= 0) {
      pieces.push({ kind: 'text', text: text.slice(from, at) }, placeholder(inner, colon))
      from = end + 1
    }
    at = text.indexOf('$' + '{', colon >= 0 ? end : at + 2)
  }
  return from === 0 ? null : [...pieces, { kind: 'text', text: text.slice(from) }]
}

/** provider:key or provider:path:key, as Kafka's ConfigTransformer cuts it: the key is all after the second colon. */
function placeholder(inner: string, colon: number): Piece {
  const rest = inner.slice(colon + 1)
  const second = rest.indexOf(':')
  return {
    kind: 'placeholder',
    provider: inner.slice(0, colon),
    path: second < 0 ? null : rest.slice(0, second),
    key: rest.slice(second + 1),
  }
}
