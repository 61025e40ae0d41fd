// The two that are compared. Requests are written once, with placeholders for what has another name on each side; answers have
// the placeholders put back, so that a class in a config or in a message is no difference.
import { bodyText, type Request } from './exchange.ts'

export type Side = 'connect' | 'millrace'

/** Longer names first: the shorter are parts of them. */
const NAMES: readonly (readonly [string, Readonly<Record<Side, string>>])[] = [
  [
    '{{class}}',
    {
      connect: 'org.apache.kafka.connect.file.FileStreamSinkConnector',
      millrace: 'io.millrace.bigquery.BigQuerySinkConnector',
    },
  ],
  [
    '{{task class}}',
    { connect: 'org.apache.kafka.connect.file.FileStreamSinkTask', millrace: 'io.millrace.bigquery.BigQuerySinkTask' },
  ],
  ['{{simple class}}', { connect: 'FileStreamSinkConnector', millrace: 'BigQuerySinkConnector' }],
  ['{{alias}}', { connect: 'FileStreamSink', millrace: 'BigQuerySink' }],
]

/** The request as this side gets it. */
export function addressed(request: Request, side: Side): Request {
  const body = bodyText(request.body)
  return {
    ...request,
    path: withNames(request.path, side),
    ...(body === undefined ? {} : { body: withNames(body, side) }),
  }
}

const withNames = (text: string, side: Side): string =>
  NAMES.reduce((done, [placeholder, names]) => done.replaceAll(placeholder, names[side]), text)

export const withPlaceholders = (text: string, side: Side): string =>
  NAMES.reduce((done, [placeholder, names]) => done.replaceAll(names[side], placeholder), text)
