// What must differ between two honest servers, and is therefore compared by its kind only.

export type Mask = {
  /** Of a value in the body: `$.tasks[].worker_id`. */
  readonly path: RegExp
  /** What the value must look like on either side. */
  readonly like: RegExp
  readonly reason: string
}

export const BODY_MASKS: readonly Mask[] = [
  { path: /\.worker_id$/, like: /^127\.0\.0\.1:\d+$/, reason: 'each has its own port' },
  { path: /^\$\.version$/, like: /^4\.1\.\d+$/, reason: 'the patch level of the API is not what is compared' },
  { path: /^\$\.commit$/, like: /^\w+$/, reason: 'of their code and of ours' },
  { path: /^\$\.kafka_cluster_id$/, like: /^[\w-]{22}$/, reason: 'each has its own Kafka' },
  { path: /\.trace$/, like: /\S/, reason: 'their stack, and ours' },
  { path: /\.last_modified$/, like: /^(null|\d{13})$/, reason: 'a time' },
  { path: /^\$\[\]\.version$/, like: /^\d+\.\d+\.\d+$/, reason: 'of the plugin' },
  { path: /(^|\.)documentation$/, like: /\S/, reason: 'their words, and ours' },
]

/** Headers that are not compared. */
export const HEADER_MASKS: Readonly<Record<string, string>> = {
  date: 'a time',
  server: 'the name of the server: Jetty tells its version, Millrace nothing',
  connection: 'of the connection, not of the answer',
  'keep-alive': 'of the connection, not of the answer',
  'content-length': 'the body is compared itself',
  'transfer-encoding': 'the body is compared itself',
  'x-request-id': 'an addition of Millrace, on every answer',
  etag: 'an addition of Millrace, with If-Match its counterpart',
  'x-content-type-options': 'an addition of Millrace: a browser must not guess',
  vary: 'Millrace compresses large answers when asked to',
}
