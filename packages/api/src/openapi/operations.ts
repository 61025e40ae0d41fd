// What each route takes and answers. A test holds this list against the routes of the server: none may be missing, none too many.

export type Operation = {
  readonly summary: string
  readonly query?: Readonly<Record<string, string>>
  /** Name of a schema. */
  readonly body?: string
  /** Name of a schema by status; null: no body, 'events': server-sent events. Every route may answer Error besides. */
  readonly answers: Readonly<Record<number, string | null>>
}

/** The version of the connector, as GET answered it in ETag: 412 when it is another one by now. */
export const TAKES_IF_MATCH: ReadonlySet<string> = new Set([
  'PUT /connectors/:name/config',
  'PATCH /connectors/:name/config',
  'DELETE /connectors/:name',
  'POST /api/v1/connectors/:name/rollback',
])

/** Sent again under the same key, the request is not carried out again. Other routes that change something refuse the header. */
export const TAKES_IDEMPOTENCY_KEY: ReadonlySet<string> = new Set([
  'POST /connectors',
  'PUT /connectors/:name/config',
  'PATCH /connectors/:name/config',
  'DELETE /connectors/:name',
  'PUT /connectors/:name/pause',
  'PUT /connectors/:name/resume',
  'PUT /connectors/:name/stop',
  'POST /connectors/:name/restart',
  'POST /connectors/:name/tasks/:task/restart',
  'PUT /connectors/:name/topics/reset',
  'POST /api/v1/connectors/:name/rollback',
  'POST /api/v1/bulk',
])

const EXPAND = { expand: 'status, info; may be repeated.' }
const RESTART = { includeTasks: 'Tasks as well.', onlyFailed: 'Only what is FAILED.' }

export const OPERATIONS: Readonly<Record<string, Operation>> = {
  'GET /': { summary: 'Kafka Connect level and cluster id.', answers: { 200: 'Root' } },
  'GET /health': {
    summary: 'Health of this worker.',
    answers: { 200: 'WorkerHealth', 500: 'WorkerHealth', 503: 'WorkerHealth' },
  },
  'GET /connectors': { summary: 'Connectors.', query: EXPAND, answers: { 200: 'Connectors' } },
  'POST /connectors': { summary: 'Creates a connector.', body: 'CreateConnector', answers: { 201: 'ConnectorInfo' } },
  'GET /connectors/:name': { summary: 'A connector.', answers: { 200: 'ConnectorInfo' } },
  'DELETE /connectors/:name': { summary: 'Deletes a connector.', answers: { 204: null } },
  'GET /connectors/:name/config': {
    summary: 'Its config, as written; a viewer sees no literal secrets.',
    answers: { 200: 'StoredConfig' },
  },
  'PUT /connectors/:name/config': {
    summary: 'Replaces its config, or creates it.',
    body: 'Config',
    answers: { 200: 'ConnectorInfo', 201: 'ConnectorInfo' },
  },
  'PATCH /connectors/:name/config': {
    summary: 'Changes keys of its config; null removes one.',
    body: 'ConfigPatch',
    answers: { 200: 'ConnectorInfo' },
  },
  'GET /connectors/:name/status': { summary: 'Its state and that of its tasks.', answers: { 200: 'ConnectorStatus' } },
  'GET /connectors/:name/tasks': { summary: 'Its tasks.', answers: { 200: 'Tasks' } },
  'GET /connectors/:name/tasks/:task/status': { summary: 'State of a task.', answers: { 200: 'TaskStatus' } },
  'PUT /connectors/:name/pause': { summary: 'Pauses it.', answers: { 202: null } },
  'PUT /connectors/:name/resume': { summary: 'Resumes it.', answers: { 202: null } },
  'PUT /connectors/:name/stop': { summary: 'Stops it: it has no tasks then.', answers: { 204: null } },
  'POST /connectors/:name/restart': {
    summary: 'Restarts it.',
    query: RESTART,
    answers: { 202: 'ConnectorStatus', 204: null },
  },
  'POST /connectors/:name/tasks/:task/restart': { summary: 'Restarts a task.', answers: { 204: null } },
  'GET /connectors/:name/topics': { summary: 'Topics it reads.', answers: { 200: 'Topics' } },
  'PUT /connectors/:name/topics/reset': { summary: 'Forgets them.', answers: { 202: null } },
  'GET /connectors/:name/offsets': { summary: 'Its positions in the journal.', answers: { 200: 'Offsets' } },
  'PATCH /connectors/:name/offsets': {
    summary: 'Moves them, while it is STOPPED.',
    body: 'Offsets',
    answers: { 200: 'Message' },
  },
  'DELETE /connectors/:name/offsets': {
    summary: 'Forgets them, while it is STOPPED.',
    answers: { 200: 'Message' },
  },
  'GET /connector-plugins': {
    summary: 'Plugins.',
    query: { connectorsOnly: 'false: transforms, predicates and converters too.' },
    answers: { 200: 'Plugins' },
  },
  'GET /connector-plugins/:plugin/config': { summary: 'Its config definitions.', answers: { 200: 'PluginConfig' } },
  'PUT /connector-plugins/:plugin/config/validate': {
    summary: 'Validates a config.',
    body: 'Config',
    answers: { 200: 'Validation' },
  },
  'GET /admin/loggers': { summary: 'Log levels.', answers: { 200: 'LoggerLevels' } },
  'GET /admin/loggers/:logger': { summary: 'A log level.', answers: { 200: 'LoggerLevel' } },
  'PUT /admin/loggers/:logger': {
    summary: 'Sets it here, or with scope=cluster on every worker.',
    query: { scope: 'worker or cluster' },
    body: 'SetLevel',
    answers: { 200: 'Names', 204: null },
  },
  'GET /api/v1/openapi.json': { summary: 'This document.', answers: { 200: 'JsonSchema' } },
  'GET /api/v1/connector-plugins/:plugin/schema': {
    summary: 'JSON Schema of a plugin’s config.',
    answers: { 200: 'JsonSchema' },
  },
  'GET /api/v1/worker': { summary: 'This worker.', answers: { 200: 'Worker' } },
  'GET /api/v1/workers': { summary: 'All workers.', answers: { 200: 'Workers' } },
  'GET /api/v1/health': {
    summary: 'Health of all connectors, the worst first.',
    query: { health: 'OK, DEGRADED, STALLED; may be repeated.' },
    answers: { 200: 'HealthList' },
  },
  'GET /api/v1/events': {
    summary: 'Changes of the cluster as server-sent events; Last-Event-ID resumes.',
    answers: { 200: 'events' },
  },
  'POST /api/v1/bulk': { summary: 'One action on many connectors.', body: 'Bulk', answers: { 200: 'BulkResult' } },
  'GET /api/v1/connectors': { summary: 'Connectors at a glance.', answers: { 200: 'ConnectorSummaries' } },
  'GET /api/v1/connectors/:name': { summary: 'A connector at a glance.', answers: { 200: 'ConnectorSummary' } },
  'GET /api/v1/connectors/:name/health': {
    summary: 'Whether it gets on, and if not, why and what to do.',
    answers: { 200: 'ConnectorHealth' },
  },
  'GET /api/v1/connectors/:name/partitions': {
    summary: 'Positions, lag and streams of each partition.',
    answers: { 200: 'Partitions' },
  },
  'GET /api/v1/connectors/:name/tables': { summary: 'Freshness and lag by table.', answers: { 200: 'Tables' } },
  'PUT /api/v1/connectors/:name/partitions/:topic/:partition/verdict': {
    summary: 'Answers IN_DOUBT: so many rows of the stream count.',
    body: 'Verdict',
    answers: { 202: 'Message' },
  },
  'POST /api/v1/connectors/:name/verify': {
    summary: 'Compares journal, topics and tables, or joins the comparison that is under way. Reads only.',
    answers: { 202: 'VerifyRun' },
  },
  'GET /api/v1/connectors/:name/verify': {
    summary: 'The latest comparison: progress while it runs, then its receipt, for an hour.',
    answers: { 200: 'VerifyRun' },
  },
  'DELETE /api/v1/connectors/:name/verify': {
    summary: 'Ends the comparison that is under way.',
    answers: { 204: null },
  },
  'GET /api/v1/connectors/:name/history': { summary: 'Its configs, the newest first.', answers: { 200: 'History' } },
  'GET /api/v1/connectors/:name/history/:version': {
    summary: 'One of them, secrets masked.',
    answers: { 200: 'Version' },
  },
  'GET /api/v1/connectors/:name/diff': {
    summary: 'What differs between two of them, secrets masked.',
    query: { from: 'A version; the one before `to` when absent.', to: 'A version; the newest when absent.' },
    answers: { 200: 'Diff' },
  },
  'POST /api/v1/connectors/:name/rollback': {
    summary: 'An earlier config again, as a new version.',
    body: 'Rollback',
    answers: { 200: 'RolledBack' },
  },
}
