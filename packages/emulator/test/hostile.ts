// What hostile tests share: protobuf written by hand, mutations of good bytes, and an emulator in its own process that must go on
// serving and stay small whatever it was sent.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { type Spawned, spawnEmulator } from './command.ts'
import { type Field, PROJECT, Rest } from './harness.ts'
import { type Failure, type Message, RawClient, rowsOf, writer } from './raw-client.ts'

/** Resident memory a test's emulator may reach. It starts at about 150 MB; requests of 20 MB become columns and DuckDB's pages. */
export const RSS_BYTES_MAX: number = 1.5e9

/** A varint of up to 64 bits. */
export function varint(value: number | bigint): Buffer {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  do {
    const low = Number(rest & 0x7fn)
    rest >>= 7n
    bytes.push(rest > 0n ? low | 0x80 : low)
  } while (rest > 0n)
  return Buffer.from(bytes)
}

/** A length-delimited field. */
export function delimited(number: number, body: Buffer | string): Buffer {
  const bytes = Buffer.from(body)
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes])
}

export const scalar = (number: number, value: number | bigint): Buffer =>
  Buffer.concat([varint(number * 8), varint(value)])

export type FieldSpec = {
  name: string
  number: number
  type: number
  label?: number
  typeName?: string
  defaultValue?: string
  columnName?: string
}

/** A FieldDescriptorProto inside a DescriptorProto. */
export const fieldDescriptor = (f: FieldSpec): Buffer =>
  delimited(
    2,
    Buffer.concat([
      delimited(1, f.name),
      scalar(3, f.number),
      scalar(4, f.label ?? 1),
      scalar(5, f.type),
      ...(f.typeName === undefined ? [] : [delimited(6, f.typeName)]),
      ...(f.defaultValue === undefined ? [] : [delimited(7, f.defaultValue)]),
      ...(f.columnName === undefined ? [] : [delimited(8, delimited(454943157, f.columnName))]),
    ]),
  )

/** An AppendRowsRequest with its parts as bytes. */
export function request(parts: {
  stream?: string
  offset?: bigint
  descriptor?: Buffer | undefined
  rows?: Buffer
  rest?: Buffer
}): Buffer {
  const { stream, offset, descriptor, rows, rest } = parts
  return Buffer.concat([
    ...(stream === undefined ? [] : [delimited(1, stream)]),
    ...(offset === undefined ? [] : [delimited(2, scalar(1, offset))]),
    delimited(
      4,
      Buffer.concat([
        ...(descriptor === undefined ? [] : [delimited(1, delimited(1, descriptor))]),
        ...(rows === undefined ? [] : [delimited(2, rows)]),
      ]),
    ),
    ...(rest === undefined ? [] : [rest]),
  ])
}

export const rowList = (rows: readonly Buffer[]): Buffer => Buffer.concat(rows.map(row => delimited(1, row)))

/** The same bytes `count` times. */
export const repeated = (bytes: Buffer, count: number): Buffer => Buffer.alloc(bytes.length * count, bytes)

/** Good bytes made bad: bytes changed, removed, doubled, put in, cut off. */
export function mutationsOf(good: Buffer): fc.Arbitrary<Buffer> {
  const at = fc.nat(Math.max(0, good.length - 1))
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('set' as const),
      at,
      value: fc.oneof(fc.nat(255), fc.constantFrom(0, 0x7f, 0x80, 0xff)),
    }),
    fc.record({ kind: fc.constant('cut' as const), at }),
    fc.record({ kind: fc.constant('remove' as const), at, count: fc.nat(20) }),
    fc.record({ kind: fc.constant('double' as const), at, count: fc.nat(200) }),
    fc.record({ kind: fc.constant('insert' as const), at, bytes: fc.uint8Array({ maxLength: 12 }) }),
  )
  return fc.array(step, { minLength: 1, maxLength: 4 }).map(steps => {
    let bytes = Buffer.from(good)
    for (const change of steps) {
      const from = Math.min(change.at, bytes.length)
      if (change.kind === 'set' && from < bytes.length) bytes[from] = change.value
      else if (change.kind === 'cut') bytes = bytes.subarray(0, from)
      else if (change.kind === 'remove')
        bytes = Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + change.count)])
      else if (change.kind === 'double')
        bytes = Buffer.concat([bytes.subarray(0, from + change.count), bytes.subarray(from)])
      else if (change.kind === 'insert')
        bytes = Buffer.concat([bytes.subarray(0, from), change.bytes, bytes.subarray(from)])
    }
    return bytes
  })
}

/** gRPC codes that say that the emulator did not expect what it got. */
const BUGS: readonly unknown[] = [2, 13, 'UNKNOWN', 'INTERNAL']

/** What a request was answered: its response, or how the call ended. */
export type Verdict = { response?: Message; failure?: Failure }

export class Victim {
  readonly rest: Rest
  readonly grpc: string
  readonly restAddress: string
  readonly client: RawClient
  private readonly process: Spawned
  private readonly goodRows = writer('optional int64 n = 1;')
  private goodStream = ''
  private goodCount = 0

  private constructor(spawned: Spawned, addresses: { grpc: string; rest: string }) {
    this.process = spawned
    this.grpc = addresses.grpc
    this.restAddress = addresses.rest
    this.rest = new Rest(addresses.rest)
    this.client = new RawClient(addresses.grpc)
  }

  static async start(args: readonly string[] = []): Promise<Victim> {
    const spawned = spawnEmulator([
      '--grpc-port',
      '0',
      '--rest-port',
      '0',
      '--project',
      PROJECT,
      '--dataset',
      'd',
      ...args,
    ])
    const victim = new Victim(spawned, await spawned.ready)
    victim.goodStream = await victim.client.createStream(await victim.table('good', [{ name: 'n', type: 'INT64' }]))
    return victim
  }

  table(name: string, fields: Field[]): Promise<string> {
    return this.rest.createTable(name, fields)
  }

  /** Sends requests on a call of their own and waits for what becomes of the last. Fails when that says that the emulator is at fault. */
  async judge(...requests: readonly Buffer[]): Promise<Verdict> {
    const append = this.client.append()
    let verdict: Verdict = {}
    try {
      for (const bytes of requests) append.sendRaw(bytes)
      for (const _ of requests) verdict = { response: await append.next() }
    } catch (failure) {
      verdict = { failure: failure as Failure }
    }
    append.call.end()
    const error = verdict.response?.error as { code?: number; message?: string } | undefined
    const code = verdict.failure?.code ?? error?.code
    assert.ok(!BUGS.includes(code), `the emulator did not expect this: ${verdict.failure?.message ?? error?.message}`)
    assert.notEqual(code, 1, 'no answer within ten seconds')
    return verdict
  }

  /** As judge(), and the request must not have been accepted. Returns the error's text. */
  async refuses(...requests: readonly Buffer[]): Promise<string> {
    const { response, failure } = await this.judge(...requests)
    const error = response?.error as { message?: string } | undefined
    const message = failure?.message ?? error?.message
    assert.ok(message !== undefined && message !== '', `accepted: ${JSON.stringify(response ?? null).slice(0, 300)}`)
    return message
  }

  get rssBytes(): number {
    const status = readFileSync(`/proc/${this.process.child.pid}/status`, 'utf8')
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)![1]) * 1024
  }

  /** A good append goes through, a good query sees it, and memory never passed the bound. */
  async stillServes(): Promise<void> {
    const append = this.client.append()
    const answer = await append.ask({
      writeStream: this.goodStream,
      offset: { value: String(this.goodCount++) },
      protoRows: rowsOf(this.goodRows, [{ n: this.goodCount }], true),
    })
    append.call.end()
    assert.equal(answer.error, undefined, JSON.stringify(answer.error))
    assert.equal(await this.rest.count('good'), this.goodCount)
    assert.ok(this.rssBytes < RSS_BYTES_MAX, `resident memory reached ${Math.round(this.rssBytes / 1e6)} MB`)
  }

  /** Stops it as anybody would; it must end well. */
  async stop(): Promise<void> {
    this.client.close()
    // One that is stuck does not hear SIGTERM.
    const impatience = setTimeout(() => this.process.child.kill('SIGKILL'), 10_000)
    const { code, stderr } = await this.process.kill('SIGTERM')
    clearTimeout(impatience)
    assert.deepEqual([code, stderr], [0, ''])
  }
}
