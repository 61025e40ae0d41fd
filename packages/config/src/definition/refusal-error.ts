// Turns collected configuration errors into the one error a process or a request ends with.
import { MillraceError } from '@millrace/core'
import type { ConfigError } from './key.ts'

/** One error naming every key, and where they were read (such as a file) when known. Its code is that of the first. */
export function configRefused(errors: readonly ConfigError[], source = ''): MillraceError {
  const where = source === '' ? '' : ` (${source})`
  const lines = errors.map(error => error.message)
  const head = `Configuration is invalid${where}: ${errors.length} error${errors.length === 1 ? '' : 's'}`
  return new MillraceError(errors[0]?.code ?? 'CONFIG_INVALID', 'failPartition', `${head}\n${lines.join('\n')}`, {
    details: { keys: errors.map(error => error.key) },
  })
}

/**
 * The message of the 400 that Kafka Connect answers for an invalid connector (AbstractHerder.maybeAddConfigErrors); clients cut
 * off its first and last line.
 */
export function connectRefusalMessage(errors: readonly ConfigError[]): string {
  return [
    `Connector configuration is invalid and contains the following ${errors.length} error(s):`,
    ...errors.map(error => error.message),
    'You can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`',
  ].join('\n')
}
