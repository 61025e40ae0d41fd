// The protobuf messages of the Write API other than AppendRowsRequest, by way of protos/ and protobufjs.
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import protobuf from 'protobufjs'

/** Brings the .proto files of the well-known types along. */
const PROTOBUFJS = dirname(createRequire(import.meta.url).resolve('protobufjs/package.json'))

const V1 = 'google/cloud/bigquery/storage/v1'

/** protos/ lies at the root of the repository, or beside src/ when the package was packed. */
function protosFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  for (;;) {
    const candidate = join(folder, 'protos')
    if (existsSync(join(candidate, V1, 'storage.proto'))) return candidate
    const parent = dirname(folder)
    if (parent === folder) throw new Error('protos/google/cloud/bigquery/storage/v1/storage.proto not found')
    folder = parent
  }
}

/** Loads our .proto files; the well-known types are protobufjs's own. */
function loadProtos(): protobuf.Root {
  const folder = protosFolder()
  const root = new protobuf.Root()
  root.resolvePath = (_origin, target) =>
    protobuf.common.get(target) ? target : join(target.startsWith('google/protobuf/') ? PROTOBUFJS : folder, target)
  root.loadSync([`${V1}/storage.proto`, `${V1}/annotations.proto`])
  root.resolveAll()
  return root
}

const root: protobuf.Root = loadProtos()

/** Encodes and decodes one message type as plain objects; int64 as decimal strings, enums as names. */
export type Codec = {
  encode(value: Record<string, unknown>): Buffer
  decode(bytes: Buffer): Record<string, unknown>
}

/** The codec of a type of google.cloud.bigquery.storage.v1, or of a full name with dots. */
export function codec(name: string): Codec {
  const type = root.lookupType(name.includes('.') ? name : `google.cloud.bigquery.storage.v1.${name}`)
  return {
    encode: value => Buffer.from(type.encode(type.fromObject(value)).finish()),
    decode: bytes => type.toObject(type.decode(bytes), { longs: String, enums: String, bytes: Buffer }),
  }
}
