import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { compileRegex, regexProblem } from '../src/regex/compile.ts'

const matches = (pattern: string, text: string): boolean => compileRegex(pattern).matches(text)

test('a topic regex matches whole names only', () => {
  assert.equal(matches('orders-.*', 'orders-eu'), true)
  assert.equal(matches('orders-.*', 'my-orders-eu'), false)
  assert.equal(matches('orders', 'orders-eu'), false)
  assert.equal(matches('a|b|', ''), true)
  assert.equal(matches('^orders$', 'orders'), true)
  assert.equal(matches('(?:eu|us)\\.(?<kind>orders|payments)', 'us.payments'), true)
  assert.equal(matches('(?i)Orders[a-c]', 'oRDERSB'), true)
  assert.equal(matches('\\Qa.b\\E+', 'a.bbb'), true)
  assert.equal(matches('\\Qa.b\\E', 'axb'), false)
  assert.equal(matches('\\p{Alpha}\\p{Digit}{2,3}', 'x12'), true)
  assert.equal(matches('[^\\d_]+', 'abc-'), true)
  assert.equal(matches('[]a]+', 'a]a'), true)
  assert.equal(matches('\\bfoo\\b-bar', 'foo-bar'), true)
  assert.equal(matches('x{2}', 'xxx'), false)
  assert.equal(matches('\\u0041\\x42', 'AB'), true)
  assert.equal(matches('(a*)*b', 'aaab'), true)
  assert.equal(matches('a', ''), false)
  assert.equal(matches('(a|)', 'ab'), false)
  assert.equal(matches('a\\B|ab', 'ab'), true)
  assert.equal(matches('[zxa-c9]+', 'zx9b'), true, 'ranges need not be written in order')
})

test('what a linear engine cannot run is refused by name', () => {
  for (const [pattern, problem] of [
    ['(a)\\1', /Backreferences/],
    ['(?<n>a)\\k<n>', /Backreferences/],
    ['(?=a)b', /Lookahead/],
    ['(?<!a)b', /lookbehind/],
    ['(?>a)', /Atomic/],
    ['a*+b', /Possessive/],
    ['a(?i)b', /Inline flags/],
    ['[a-z&&[^b]]', /Nested and intersected/],
    ['\\p{IsGreek}', /not supported/],
    ['\\p{constructor}', /not supported/],
    ['\\G', /not supported/],
  ] as const) {
    assert.match(regexProblem(pattern) ?? '', problem, pattern)
  }
})

test('malformed patterns are refused', () => {
  for (const pattern of [
    '(',
    ')',
    'a)',
    '[a',
    '*a',
    'a**',
    'a{2',
    'a{3,2}',
    '{2}',
    '[b-a]',
    'a\\',
    '[\\',
    '(?',
    '\\x{110000}',
  ]) {
    assert.notEqual(regexProblem(pattern), null, pattern)
  }
})

test('long, deep and exploding patterns are refused', () => {
  assert.match(regexProblem('a'.repeat(1025)) ?? '', /1024 bytes/)
  assert.match(regexProblem('('.repeat(101) + ')'.repeat(101)) ?? '', /nested/)
  assert.match(regexProblem('(a{1000}){1000}') ?? '', /too large/)
  assert.match(regexProblem('((a|b){50}){900}') ?? '', /too large/)
  assert.equal(regexProblem('.{1,1000}'), null)
  assert.match(regexProblem('((a|b)?){800}') ?? '', /too large/)
  assert.match(regexProblem('a{1001}') ?? '', /1000/)
  assert.equal(regexProblem('a'.repeat(1024)), null)
})

test('a pattern that makes a backtracking engine hang takes no time', () => {
  const topic = `${'a'.repeat(248)}!`
  for (const pattern of ['(a+)+$', '(a|a)*b', '(a*)*b', 'a*a*a*a*a*a*a*a*b', '(.*a){20}b']) {
    const startedMs = performance.now()
    assert.equal(matches(pattern, topic), false, pattern)
    assert.ok(performance.now() - startedMs < 1000, pattern)
  }
})

test('agrees with the JavaScript engine on the syntax both share', () => {
  const atom = fc.constantFrom('a', 'b', 'c', '.', '[ab]', '[^a]', '\\d', '\\w', '\\.', '-', '[a-c]', '1')
  const quantifier = fc.constantFrom('', '', '', '*', '+', '?', '{2}', '{1,2}', '{0,}', '*?')
  const { pattern } = fc.letrec<{ pattern: string; piece: string }>(tie => ({
    pattern: fc
      .array(
        fc.array(tie('piece'), { maxLength: 4 }).map(pieces => pieces.join('')),
        { minLength: 1, maxLength: 3 },
      )
      .map(choices => choices.join('|')),
    piece: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      fc.tuple(atom, quantifier).map(parts => parts.join('')),
      fc.tuple(tie('pattern'), quantifier).map(([inner, count]) => `(${inner})${count}`),
    ),
  }))
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '.', '-', '1'), maxLength: 6 })
  fc.assert(
    fc.property(pattern, fc.array(text, { minLength: 1, maxLength: 5 }), (source, texts) => {
      fc.pre(regexProblem(source) === null)
      const expected = new RegExp(`^(?:${source})$`)
      for (const candidate of texts) assert.equal(matches(source, candidate), expected.test(candidate), source)
    }),
    { numRuns: 200 },
  )
})
