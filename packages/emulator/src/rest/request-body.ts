// Request bodies: JSON under any content type, gzipped or not, or nothing at all (clients send DELETE with a JSON content type).
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { RestError } from './rest-error.ts'

/** Of a body, unpacked. */
export const BODY_BYTES_MAX: number = 16 * 1024 * 1024

const unpack = promisify(gunzip)

export async function parseBody(bytes: Buffer, encoding: string | undefined): Promise<unknown> {
  const text = (await decoded(bytes, encoding)).toString('utf8')
  if (text.trim() === '') return null
  try {
    return JSON.parse(text)
  } catch {
    throw new RestError(400, 'parseError', 'Parse Error: the request body is no JSON')
  }
}

async function decoded(bytes: Buffer, encoding: string | undefined): Promise<Buffer> {
  if (encoding === undefined || encoding === 'identity' || bytes.length === 0) return bytes
  if (encoding !== 'gzip') throw new RestError(400, 'invalid', `Content-Encoding ${encoding} is not supported`)
  try {
    return await unpack(bytes, { maxOutputLength: BODY_BYTES_MAX })
  } catch (error) {
    throw new RestError(400, 'parseError', `The request body cannot be unpacked: ${(error as Error).message}`)
  }
}
