// Our .proto files against the descriptors Google ships with its own client.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { describe, it } from 'node:test'
import protobuf from 'protobufjs'
import { loadRoot } from './raw-client.ts'

const V1 = 'google.cloud.bigquery.storage.v1'
const shippedPath = createRequire(import.meta.url)
  .resolve('@google-cloud/bigquery-storage/package.json')
  .replace('package.json', 'build/protos/protos.json')
const shipped: protobuf.Root = protobuf.Root.fromJSON(JSON.parse(readFileSync(shippedPath, 'utf8')))
shipped.resolveAll()
const ours = loadRoot()
ours.resolveAll()

/** Every message and enum of a namespace by full name. */
function typesIn(namespace: protobuf.NamespaceBase): protobuf.ReflectionObject[] {
  return namespace.nestedArray.flatMap(nested => [
    ...(nested instanceof protobuf.Type || nested instanceof protobuf.Enum ? [nested] : []),
    ...(nested instanceof protobuf.Namespace ? typesIn(nested) : []),
  ])
}

const fieldFacts = (field: protobuf.Field) => ({
  name: field.name,
  id: field.id,
  type: field.resolvedType?.fullName ?? field.type,
  repeated: field.repeated,
  oneof: field.partOf?.name,
  key: field instanceof protobuf.MapField ? field.keyType : undefined,
})

const typeFacts = (type: protobuf.ReflectionObject) =>
  type instanceof protobuf.Enum
    ? { ...type.values }
    : Object.fromEntries((type as protobuf.Type).fieldsArray.map(field => [field.name, fieldFacts(field)]))

describe('protos', () => {
  const types = [...typesIn(ours.lookup(V1) as protobuf.Namespace), ours.lookupType('google.rpc.Status')]

  it('declares the messages of the Write API', () => {
    const names = types.map(type => type.fullName)
    for (const name of [
      'AppendRowsRequest.ProtoData',
      'StorageError.StorageErrorCode',
      'TableFieldSchema',
      'WriteStream.Type',
    ])
      assert.ok(names.includes(`.${V1}.${name}`), name)
  })

  for (const type of types)
    it(`${type.fullName} has the fields and numbers Google ships`, () => {
      const theirs = shipped.lookup(type.fullName)
      assert.ok(theirs, 'not in the shipped descriptors')
      assert.deepEqual(typeFacts(type), typeFacts(theirs))
    })

  it('declares the methods Google ships, with the same types and streaming', () => {
    const methods = (root: protobuf.Root) =>
      root.lookupService(`${V1}.BigQueryWrite`).methodsArray.map(method => ({
        name: method.name,
        request: method.resolvedRequestType?.fullName ?? method.requestType,
        response: method.resolvedResponseType?.fullName ?? method.responseType,
        streams: [method.requestStream === true, method.responseStream === true],
      }))
    assert.deepEqual(methods(ours), methods(shipped))
  })

  it('gives column_name the number Google ships', () => {
    const number = (root: protobuf.Root) => {
      const found = (root.lookup(V1) as protobuf.Namespace).nestedArray.find(
        nested => nested instanceof protobuf.Field && /columnName|column_name/.test(nested.name),
      )
      return (found as protobuf.Field | undefined)?.id
    }
    assert.equal(number(ours), 454943157)
    assert.equal(number(shipped), 454943157)
  })
})
