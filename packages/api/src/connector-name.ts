// Connector names: Kafka Connect's rules, plus a length that every URL can carry.
import { badRequest } from './api-error.ts'

export const NAME_CHARS_MAX = 1024

/** Throws 400 for a name nobody may create; reading such a name simply finds nothing. */
export function assertNameAllowed(name: string): void {
  if (name === '') throw badRequest('Invalid value for configuration name: the name may not be empty.')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused.
  if (/[\u0000-\u001f\u007f-\u009f]/.test(name)) {
    throw badRequest('Invalid value for configuration name: the name may not contain control characters.')
  }
  if (!name.isWellFormed()) throw badRequest('Invalid value for configuration name: the name is not valid Unicode.')
  if (name.length > NAME_CHARS_MAX) {
    throw badRequest(`Invalid value for configuration name: the name is longer than ${NAME_CHARS_MAX} characters.`)
  }
}

/** The relative `Location` of a connector. */
export const connectorPath = (name: string): string => `/connectors/${encodeURIComponent(name)}`
