// The bodies of the API as JSON Schema, by name. Connect's exactly as Connect has them; ours under /api/v1 may grow.
export type JsonSchema = Readonly<Record<string, unknown>>

const text: JsonSchema = { type: 'string' }
const whole: JsonSchema = { type: 'integer' }
const flag: JsonSchema = { type: 'boolean' }
const orNull = ({ type, ...rest }: JsonSchema): JsonSchema => ({ type: [type, 'null'], ...rest })
const ref = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` })
const list = (items: JsonSchema): JsonSchema => ({ type: 'array', items })
const map = (values: JsonSchema): JsonSchema => ({ type: 'object', additionalProperties: values })
/** All properties are required but those named as optional. */
const object = (properties: Readonly<Record<string, JsonSchema>>, ...optional: readonly string[]): JsonSchema => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter(key => !optional.includes(key)),
})
/** Beyond 2^53 − 1 a decimal string. */
const offset: JsonSchema = { type: ['integer', 'string', 'null'] }
const millis = orNull({ type: 'integer', description: 'Milliseconds; moments are since the epoch.' })

const state = { state: text, worker_id: text, trace: text }
const totals = {
  partitions: whole,
  lag: orNull(whole),
  lag_ms: millis,
  newest_record_at_ms: millis,
  in_flight_rows: whole,
  rows_total: whole,
  dead_letters_total: whole,
  dropped_total: whole,
  lost_offsets: whole,
  streams: whole,
}
const compared: JsonSchema = {
  type: 'string',
  enum: ['VERIFIED', 'VERIFIED_BY_COUNT', 'DIFFERENT', 'IN_DOUBT', 'CANNOT_TELL'],
}
const comparison = {
  records: whole,
  missing: whole,
  doubled: whole,
  unexpected: whole,
  dead_letters: whole,
  tombstones: whole,
  filtered: whole,
  dropped: whole,
  examples: list(text),
}
const verdict: JsonSchema = { type: 'string', enum: ['OK', 'DEGRADED', 'STALLED'] }

export const SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  Error: object({ error_code: whole, message: text }),
  Root: object({ version: text, commit: text, kafka_cluster_id: text }),
  WorkerHealth: object({ status: { type: 'string', enum: ['healthy', 'starting', 'unhealthy'] }, message: text }),
  Config: map({ type: ['string', 'number', 'boolean'] }),
  ConfigPatch: map({ type: ['string', 'number', 'boolean', 'null'] }),
  StoredConfig: map(text),
  Names: list(text),
  CreateConnector: object(
    {
      name: text,
      config: ref('Config'),
      initial_state: { type: ['string', 'null'], enum: ['RUNNING', 'PAUSED', 'STOPPED', null] },
      initial_offsets: { type: ['array', 'null'], items: ref('OffsetEntry') },
    },
    'initial_state',
    'initial_offsets',
  ),
  ConnectorInfo: object(
    {
      name: text,
      config: ref('StoredConfig'),
      tasks: list(object({ connector: text, task: whole })),
      type: { const: 'sink' },
      offsets_status: text,
    },
    'offsets_status',
  ),
  ConnectorStatus: object({
    name: text,
    connector: object(state, 'trace'),
    tasks: list(ref('TaskStatus')),
    type: { const: 'sink' },
  }),
  TaskStatus: object({ id: whole, ...state }, 'trace'),
  Connectors: {
    anyOf: [
      ref('Names'),
      map(object({ status: ref('ConnectorStatus'), info: ref('ConnectorInfo') }, 'status', 'info')),
    ],
  },
  Tasks: list(object({ id: object({ connector: text, task: whole }), config: ref('StoredConfig') })),
  Topics: map(object({ topics: ref('Names') })),
  OffsetEntry: object({
    partition: object({ kafka_topic: text, kafka_partition: { type: ['integer', 'string'] } }),
    offset: { type: ['object', 'null'], properties: { kafka_offset: { type: ['integer', 'string'] } } },
  }),
  Offsets: object({ offsets: list(ref('OffsetEntry')) }),
  Message: object({ message: text }),
  Plugins: list(object({ class: text, type: text, version: text }, 'version')),
  PluginConfig: list(object({ name: text, type: text, required: flag, documentation: text })),
  Validation: object({ name: text, error_count: whole, groups: list(text), configs: list({ type: 'object' }) }),
  JsonSchema: { type: 'object' },
  LoggerLevel: object({ level: text, last_modified: millis }),
  LoggerLevels: map(ref('LoggerLevel')),
  SetLevel: object({ level: text }),
  Worker: object({ worker: text, worker_id: text, pid: whole, version: text, audit_records_lost: whole }),
  Workers: object({
    workers: list(
      object({
        worker: text,
        worker_id: text,
        pid: whole,
        version: text,
        started_at_ms: whole,
        published_at_ms: whole,
        rss_bytes: whole,
        partitions: whole,
        takeovers: whole,
      }),
    ),
  }),
  Waiting: object({ code: text, message: text, since_ms: whole }),
  Partition: object(
    {
      topic: text,
      partition: whole,
      worker: text,
      worker_id: text,
      task: whole,
      state: text,
      epoch: whole,
      next_offset: offset,
      end_offset: offset,
      lag: orNull(whole),
      lag_ms: millis,
      newest_record_at_ms: millis,
      in_flight_rows: whole,
      streams: list(text),
      tables: list(text),
      stage: orNull(text),
      waiting: { anyOf: [ref('Waiting'), { type: 'null' }] },
      takeovers: whole,
      rows_total: whole,
      dead_letters_total: whole,
      dropped_total: whole,
      lost_offsets: whole,
      failures: whole,
      recent_failures: list(object({ code: text, message: text, at_ms: whole })),
      restarts_at_ms: millis,
      trace: text,
    },
    'trace',
  ),
  Partitions: object({ connector: text, partitions: list(ref('Partition')), takeovers: whole }),
  Verdict: object({ stream: text, rows: { type: ['integer', 'string'] } }),
  VerifyRun: object({
    id: text,
    connector: text,
    worker_id: text,
    state: { type: 'string', enum: ['RUNNING', 'DONE', 'FAILED', 'CANCELLED'] },
    started_at_ms: whole,
    ended_at_ms: millis,
    progress: object({ stage: text, partitions: whole, partitions_read: whole, records_read: whole }),
    error: orNull(text),
    receipt: { anyOf: [ref('VerifyReceipt'), { type: 'null' }] },
  }),
  VerifyReceipt: object({
    verdict: compared,
    reasons: list(text),
    rows: whole,
    ...comparison,
    partitions: list(ref('VerifiedPartition')),
    partitions_left_out: whole,
  }),
  VerifiedPartition: object({
    topic: text,
    partition: whole,
    name: text,
    table: text,
    verdict: compared,
    reasons: list(text),
    from_offset: offset,
    to_offset: offset,
    log_end_offset: offset,
    group_offset: offset,
    rows: orNull(whole),
    ...comparison,
    lost: list(object({ from_offset: offset, to_offset: offset })),
    older_rows: orNull(whole),
    streams: list(object({ stream: text, released_at_row: orNull(text) })),
  }),
  HealthReason: object({
    code: text,
    severity: verdict,
    topic: orNull(text),
    partition: orNull(whole),
    worker_id: orNull(text),
    stage: orNull(text),
    since_ms: millis,
    message: text,
    cause: text,
    fix: text,
  }),
  ConnectorHealth: object({
    connector: text,
    health: verdict,
    state: text,
    reasons: list(ref('HealthReason')),
    reason_count: whole,
  }),
  HealthList: object({
    connectors: list(
      object({ connector: text, health: verdict, reason_count: whole, reason: ref('HealthReason') }, 'reason'),
    ),
  }),
  ConnectorSummary: object(
    {
      name: text,
      state: text,
      target_state: text,
      health: verdict,
      reason: ref('HealthReason'),
      tasks: whole,
      tasks_failed: whole,
      partitions_by_state: map(whole),
      ...totals,
      version: whole,
      config_generation: whole,
      incarnation: text,
      created_at_ms: whole,
      updated_at_ms: whole,
    },
    'reason',
  ),
  ConnectorSummaries: object({ connectors: list(ref('ConnectorSummary')) }),
  Tables: object({ connector: text, tables: list(object({ table: text, topics: list(text), ...totals })) }),
  Version: object(
    {
      version: whole,
      config_generation: whole,
      changed_at_ms: whole,
      changed_by: orNull(text),
      current: flag,
      config: ref('StoredConfig'),
    },
    'current',
    'config',
  ),
  History: object({ connector: text, versions: list(ref('Version')) }),
  Diff: object({
    connector: text,
    from: ref('Version'),
    to: ref('Version'),
    added: list(object({ key: text, value: text })),
    removed: list(object({ key: text, value: text })),
    changed: list(object({ key: text, from: text, to: text })),
  }),
  Rollback: object({ version: whole }),
  RolledBack: object({ name: text, version: whole, changed: flag, config: ref('StoredConfig') }),
  Bulk: object(
    {
      action: { type: 'string', enum: ['pause', 'resume', 'stop', 'restart', 'delete'] },
      names: { type: 'array', items: text, maxItems: 1000 },
      pattern: { type: 'string', minLength: 1, maxLength: 128 },
      state: text,
      health: verdict,
      dry_run: flag,
      include_tasks: flag,
      only_failed: flag,
    },
    ...['names', 'pattern', 'state', 'health', 'dry_run', 'include_tasks', 'only_failed'],
  ),
  BulkResult: object({
    action: text,
    dry_run: flag,
    matched: whole,
    failed: whole,
    results: list(object({ connector: text, status: whole, outcome: text, message: text }, 'message')),
  }),
}
