// Certificates in a PKCS#12 trust store (RFC 7292), as keytool and OpenSSL 3 write them: PBES2 with PBKDF2 and AES-CBC.
// Node takes no authorities from a PKCS#12 file that has no private key, so this small reader does. The older ciphers
// (RC2, 3DES) are refused with what to do. The MAC is not checked: a wrong password shows as padding or structure damage.
import { createDecipheriv, pbkdf2Sync, X509Certificate } from 'node:crypto'

const OID = {
  DATA: '1.2.840.113549.1.7.1',
  ENCRYPTED_DATA: '1.2.840.113549.1.7.6',
  CERT_BAG: '1.2.840.113549.1.12.10.1.3',
  SAFE_CONTENTS_BAG: '1.2.840.113549.1.12.10.1.6',
  X509_CERTIFICATE: '1.2.840.113549.1.9.22.1',
  PBES2: '1.2.840.113549.1.5.13',
  PBKDF2: '1.2.840.113549.1.5.12',
} as const
const PRF: Readonly<Record<string, string>> = {
  '1.2.840.113549.2.7': 'sha1',
  '1.2.840.113549.2.8': 'sha224',
  '1.2.840.113549.2.9': 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
}
const CIPHER: Readonly<Record<string, { readonly name: string; readonly keyBytes: number }>> = {
  '2.16.840.1.101.3.4.1.2': { name: 'aes-128-cbc', keyBytes: 16 },
  '2.16.840.1.101.3.4.1.22': { name: 'aes-192-cbc', keyBytes: 24 },
  '2.16.840.1.101.3.4.1.42': { name: 'aes-256-cbc', keyBytes: 32 },
}
/** keytool uses 10,000, OpenSSL 2,048: far more only keeps the event loop busy. */
const ITERATIONS_MAX = 5_000_000

/** Why a store cannot be read, to be told with its configuration key. */
export class Pkcs12Error extends Error {
  override readonly name = 'Pkcs12Error'
}

/** All certificates of the store as PEM, in order. Throws Pkcs12Error. */
export function pkcs12Certificates(store: Buffer, password: string): string[] {
  const pfx = sequence(readElement(store, 0))
  const authSafe = sequence(at(pfx, 1))
  if (oid(at(authSafe, 0)) !== OID.DATA) throw new Pkcs12Error('is protected by a public key, which is not supported')
  const contents = sequence(readElement(octets(explicit(at(authSafe, 1))), 0))
  return contents.flatMap(info => certificatesOf(safeContents(sequence(info), password)))
}

function safeContents(info: readonly Element[], password: string): Buffer {
  const type = oid(at(info, 0))
  const content = explicit(at(info, 1))
  if (type === OID.DATA) return octets(content)
  if (type !== OID.ENCRYPTED_DATA) throw new Pkcs12Error(`has content of type ${type}, which is not supported`)
  const encrypted = sequence(at(sequence(content), 1))
  return decrypt(sequence(at(encrypted, 1)), octets(at(encrypted, 2)), password)
}

function certificatesOf(safe: Buffer): string[] {
  return sequence(readElement(safe, 0)).flatMap(element => {
    const bag = sequence(element)
    const type = oid(at(bag, 0))
    const value = explicit(at(bag, 1))
    if (type === OID.SAFE_CONTENTS_BAG) return certificatesOf(value.whole)
    if (type !== OID.CERT_BAG) return []
    const cert = sequence(value)
    if (oid(at(cert, 0)) !== OID.X509_CERTIFICATE) return []
    return [new X509Certificate(octets(explicit(at(cert, 1)))).toString()]
  })
}

function decrypt(algorithm: readonly Element[], data: Buffer, password: string): Buffer {
  const scheme = oid(at(algorithm, 0))
  if (scheme !== OID.PBES2)
    throw new Pkcs12Error('uses an old cipher (RC2 or 3DES); write it anew with keytool of JDK 17 or OpenSSL 3')
  const parameters = sequence(at(algorithm, 1))
  const kdf = sequence(at(parameters, 0))
  const encryption = sequence(at(parameters, 1))
  const cipher = CIPHER[oid(at(encryption, 0))]
  if (oid(at(kdf, 0)) !== OID.PBKDF2 || !cipher)
    throw new Pkcs12Error('uses a cipher that is not supported (AES-CBC is)')
  const [salt, iterations, ...rest] = sequence(at(kdf, 1))
  const prfElement = rest.find(e => e.tag === 0x30)
  const prf = prfElement ? PRF[oid(at(sequence(prfElement), 0))] : 'sha1'
  const rounds = iterations ? integer(iterations) : 0
  if (!salt || !prf || rounds < 1 || rounds > ITERATIONS_MAX)
    throw new Pkcs12Error('has key derivation parameters out of range')
  const key = pbkdf2Sync(password, octets(salt), rounds, cipher.keyBytes, prf)
  const decipher = createDecipheriv(cipher.name, key, octets(at(encryption, 1)))
  try {
    return Buffer.concat([decipher.update(data), decipher.final()])
  } catch {
    throw new Pkcs12Error('cannot be decrypted: the password is wrong')
  }
}

// --- DER: tag, length, content. Only what PKCS#12 needs; indefinite lengths (BER) inside octet strings are refused.

type Element = { readonly tag: number; readonly content: Buffer; readonly whole: Buffer; readonly end: number }

function readElement(bytes: Buffer, start: number): Element {
  const tag = bytes[start]
  let length = bytes[start + 1]
  if (tag === undefined || length === undefined) throw damaged()
  let from = start + 2
  if (length >= 0x80) {
    const size = length & 0x7f
    if (size === 0 || size > 4 || from + size > bytes.length) throw damaged()
    length = bytes.readUIntBE(from, size)
    from += size
  }
  const end = from + length
  if (end > bytes.length) throw damaged()
  return { tag, content: bytes.subarray(from, end), whole: bytes.subarray(start, end), end }
}

function sequence(element: Element): Element[] {
  if (element.tag !== 0x30) throw damaged()
  return children(element)
}
function children(element: Element): Element[] {
  const out: Element[] = []
  for (let pos = 0; pos < element.content.length; ) {
    const child = readElement(element.content, pos)
    out.push(child)
    pos = child.end
  }
  return out
}
function at(elements: readonly Element[], index: number): Element {
  const element = elements[index]
  if (!element) throw damaged()
  return element
}
function explicit(element: Element): Element {
  if (element.tag !== 0xa0) throw damaged()
  return readElement(element.content, 0)
}
/** OCTET STRING, or [0] IMPLICIT OCTET STRING; the constructed forms are joined. */
function octets(element: Element): Buffer {
  if (element.tag === 0x04 || element.tag === 0x80) return element.content
  if (element.tag === 0x24 || element.tag === 0xa0) return Buffer.concat(children(element).map(octets))
  throw damaged()
}
function integer(element: Element): number {
  if (element.tag !== 0x02 || element.content.length > 6 || element.content.length === 0) throw damaged()
  return element.content.readUIntBE(0, element.content.length)
}
function oid(element: Element): string {
  if (element.tag !== 0x06) throw damaged()
  const parts: number[] = []
  let value = 0
  for (const byte of element.content) {
    value = value * 128 + (byte & 0x7f)
    if (byte < 0x80) {
      parts.push(value)
      value = 0
    }
  }
  const first = parts.shift() ?? 0
  const root = Math.min(2, Math.floor(first / 40))
  return [root, first - root * 40, ...parts].join('.')
}

const damaged = (): Pkcs12Error => new Pkcs12Error('is not a readable PKCS#12 store, or the password is wrong')
