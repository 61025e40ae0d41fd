// Faults under the names of the rigs on which Google tests its own clients (java-bigquerystorage, nodejs-bigquery-storage), and ends
// of calls that their users have reported, word for word.

export const FAULT_PRESETS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  /** Project bq-writeapi-java-quota-retry: every tenth append is beyond the quota. */
  'java-quota-retry': {
    effect: 'inBand',
    every: 10,
    code: 'RESOURCE_EXHAUSTED',
    message:
      "Exceeds 'AppendRows throughput' quota, user_id: project0000000000000000_us (status: INSUFFICIENT_TOKENS), you can issue " +
      'a raise quota request through Google Cloud Console. Be sure to include this full error message in the request ' +
      'description. Entity: {stream}',
  },
  /** Project bq-write-api-java-retry-test: every tenth append fails for no reason. */
  'java-retry-test': { effect: 'inBand', every: 10, code: 'INTERNAL', message: 'Internal error. Entity: {stream}' },
  /** Region us-east7, tables *_reconnect_on_close: the call is dropped every ten requests. */
  'reconnect-on-close': {
    effect: 'close',
    every: 10,
    code: 'ABORTED',
    message:
      'Closing the stream because server is restarted. This is expected and client is advised to reconnect. Entity: {stream}',
  },
  /** Region us-east7, tables *_initial_connect_failure: calls often fail as they are opened. */
  'initial-connect-failure': {
    effect: 'refuseOpen',
    probability: 0.5,
    code: 'UNAVAILABLE',
    message: 'The service is currently unavailable.',
  },
  /** googleapis/nodejs-bigquery-storage issue 442. */
  overloaded: {
    effect: 'close',
    every: 10,
    code: 'UNAVAILABLE',
    message:
      "Request 'AppendRows' from role 'cloud-dataengine-globalrouting' throttled: Task is overloaded (memory-protection) go/tr-t.",
  },
  /** googleapis/nodejs-bigquery-storage issue 454: the front end gives up on a call. */
  'front-end-timeout': { effect: 'close', every: 10, code: 'UNKNOWN', message: '408:Request Timeout' },
}
