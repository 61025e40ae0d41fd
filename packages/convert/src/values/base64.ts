// Standard base64 (RFC 4648 §4), padded or without any padding; anything else is refused rather than half decoded.

const BASE64 = /^[A-Za-z0-9+/]*(={0,2})$/

export function decodeBase64(text: string): Uint8Array | null {
  const match = BASE64.exec(text)
  if (match === null) return null
  const padding = match[1]!.length
  const digits = text.length - padding
  if (digits % 4 === 1) return null
  if (padding > 0 && text.length % 4 !== 0) return null
  return Buffer.from(text, 'base64')
}
