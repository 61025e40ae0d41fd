// Rows per CPU-second of the transcoder, against JSON.parse plus a straightforward encoder in the same run; ratios decide.
// Run: node_modules/.bin/node packages/convert/bench/transcode.ts [seconds per contestant and input] [input …] [--alone]
import { compileEnvelopeEncoder, compileJsonEncoder, type RowEncoder, writerSchemaFor } from '../src/index.ts'
import { type Corpus, CorpusPass, corpusOf } from './corpus.ts'
import { INPUTS, type Input } from './inputs.ts'
import { parseAndEncode } from './parse-and-encode.ts'

const ROUNDS = 5
const options = { ignoreUnknownFields: false, sanitizeFieldNames: false }

/** Of passes for so long. */
function rowsPerCpuSecond(pass: CorpusPass, count: number, seconds: number): number {
  let passes = 0
  const before = process.cpuUsage()
  for (const deadline = performance.now() + seconds * 1000; performance.now() < deadline; passes++) pass.run()
  const used = process.cpuUsage(before)
  return ((passes * count) / (used.user + used.system)) * 1e6
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!

function measure(input: Input, seconds: number, isAlone: boolean): void {
  const corpus = corpusOf(input)
  const writerSchema = writerSchemaFor(input.table)
  const setup = { tableSchema: input.table, writerSchema, options }
  const transcoder = (): RowEncoder =>
    input.isEnvelope === true ? compileEnvelopeEncoder(setup) : compileJsonEncoder(setup)
  const contestants: [string, CorpusPass][] = [['transcoder', new CorpusPass(corpus, transcoder)]]
  if (!isAlone) {
    const compile = (): RowEncoder => parseAndEncode(input.table, input.isEnvelope === true)
    contestants.unshift(['JSON.parse + encode', new CorpusPass(corpus, compile)])
  }
  console.log(`${input.name}, ${Math.round(corpus.byteCount / corpus.count)} bytes per record`)
  let base = 0
  for (const [name, pass] of contestants) {
    rowsPerCpuSecond(pass, corpus.count, seconds / ROUNDS)
    const rates = Array.from({ length: ROUNDS }, () => rowsPerCpuSecond(pass, corpus.count, seconds / ROUNDS))
    base ||= median(rates)
    print(name, rates, corpus, base)
  }
}

function print(name: string, rates: readonly number[], corpus: Corpus, base: number): void {
  const rate = median(rates)
  const megabytes = (rate * corpus.byteCount) / corpus.count / 1e6
  const rows = Math.round(rate).toLocaleString('en').padStart(10)
  const best = Math.round(Math.max(...rates)).toLocaleString('en')
  console.log(
    `  ${name.padEnd(20)}${rows} rows per CPU-second ${megabytes.toFixed(0).padStart(5)} MB/s   × ${(rate / base).toFixed(2)}   (best ${best})`,
  )
}

const args = process.argv.slice(2)
const isAlone = args.includes('--alone')
const [seconds = '2', ...names] = args.filter(arg => !arg.startsWith('--'))
for (const input of INPUTS)
  if (names.length === 0 || names.includes(input.name)) measure(input, Number(seconds), isAlone)
