// Every error code with its cause and fix: the operator's manual, shown the same in logs, traces, REST answers and docs/reference/errors.md.

export type ErrorManual = { readonly cause: string; readonly fix: string }

export const ERROR_CODES = {
  BUG: {
    cause: 'An invariant of Millrace itself did not hold.',
    fix: 'Report it with the trace. The partition is stopped before it can write anything wrong.',
  },
  CONFIG_INVALID: {
    cause: 'A configuration value is missing, malformed or contradicts another.',
    fix: 'Correct the key named in the message.',
  },
  CONFIG_UNKNOWN_KEY: {
    cause: 'A configuration key is not known, but very close to one that is.',
    fix: 'Use the key the message proposes, or set config.unknown.keys=warn.',
  },
  NOT_SUPPORTED: {
    cause: 'The configuration asks for something this version has not built.',
    fix: 'Remove the setting named in the message, or use a supported value.',
  },
  KAFKA_UNREACHABLE: {
    cause: 'No broker of bootstrap.servers answered.',
    fix: 'Check bootstrap.servers, the network and that a broker runs there.',
  },
  KAFKA_AUTH_FAILED: {
    cause: 'The broker refused the credentials or the TLS handshake.',
    fix: 'Check security.protocol, sasl.mechanism, sasl.jaas.config and the ssl.* keys.',
  },
  KAFKA_TOPIC_MISSING: {
    cause: 'A topic the connector or worker needs does not exist or may not be read.',
    fix: 'Create the topic or grant access to it.',
  },
  KAFKA_REQUEST_FAILED: {
    cause: 'A broker refused a request, or did not answer it.',
    fix: 'See the broker error and the keys named in the message.',
  },
  SOURCE_OFFSET_LOST: {
    cause:
      'Records were deleted from the partition before they were delivered (retention passed them, or DeleteRecords). The message names the offsets, [from, to).',
    fix: 'If they can be restored, restore them and restart. To go on without them, set offset.lost.policy=skip: each range skipped is logged, audited and kept in the journal. Or decide the new position: stop the connector, PATCH /connectors/<name>/offsets (null: by auto.offset.reset), resume it. Millrace never jumps by itself.',
  },
  SOURCE_CHANGED: {
    cause:
      'The topic is not the log it was: it holds another record at a known offset, or ends below what was delivered. It was re-created, or truncated by an unclean leader election. The message names the offsets, [from, to).',
    fix: 'Check the topic. To read it as it is now, stop the connector, PATCH or DELETE /connectors/<name>/offsets, and resume it.',
  },
  SOURCE_CORRUPT: {
    cause: 'A record batch is damaged: wrong CRC, impossible lengths or an unknown codec.',
    fix: 'Check the broker log segment. If it is lost, stop the connector, PATCH /connectors/<name>/offsets to the position after it, and resume.',
  },
  SOURCE_TRANSACTION_OPEN: {
    cause: 'A producer began a transaction on the partition and has not ended it: what follows may not be read before.',
    fix: 'If it hangs, end it: kafka-transactions.sh find-hanging and abort. Producers that keep transactions open on purpose need a longer stall.detection.ms.',
  },
  BATCH_TOO_LARGE: {
    cause: 'A compressed record batch inflates beyond the limit (a decompression bomb).',
    fix: 'Find its producer. To skip the batch, stop the connector, PATCH /connectors/<name>/offsets to the position after it, and resume.',
  },
  GROUP_IN_USE: {
    cause: 'The consumer group of this connector has live members: another sink is still running.',
    fix: 'Stop the other consumer of group connect-<name>, then restart this connector.',
  },
  POSITION_REFUSED: {
    cause: 'An offset request names a partition the connector does not read, or an offset its log does not hold.',
    fix: 'Correct what the message names. null starts by auto.offset.reset.',
  },
  POSITION_NOT_MOVED: {
    cause:
      'Positions move only while the connector is stopped and its partitions are let go; one was not, or was started meanwhile.',
    fix: 'Stop the connector and ask again; that is safe at any time. A worker that hangs loses its partitions after session.timeout.ms.',
  },
  POSITION_MAY_HAVE_MOVED: {
    cause:
      'The connector was started, or a journal write failed, at the moment the positions moved: the message says which moved, which did not, and of which it is not known.',
    fix: 'GET /connectors/<name>/offsets says where they are now. Stop the connector and ask again: that is safe at any time.',
  },
  JOURNAL_TOPIC_UNSAFE: {
    cause: 'The journal or config topic exists with settings that cannot keep the promise, or holds foreign records.',
    fix: 'Correct the topic setting named in the message, or choose another topic.',
  },
  JOURNAL_LOST: {
    cause:
      'The journal lost records that had been acknowledged, or a connector has no Genesis in it. Also while a broker that is no longer the leader, and does not know it, answers for more than 15 s.',
    fix: 'A leader that does not know better passes by itself, and the partition starts again. Else do not restart blindly: compare table and topic first.',
  },
  JOURNAL_OUTCOME_UNKNOWN: {
    cause: 'A journal write failed or its outcome stayed unknown.',
    fix: 'None needed: the claim ends and the partition claims anew.',
  },
  FENCED: {
    cause: 'Another worker holds a newer claim on the partition.',
    fix: 'None needed: the newer owner continues.',
  },
  IN_DOUBT: {
    cause: 'It cannot be known whether some rows landed; guessing could lose or duplicate them.',
    fix: 'Look in the table for the records of the Kafka offsets that the message or `millrace journal inspect` names, then say how many rows of the stream count: PUT /api/v1/connectors/{name}/partitions/{topic}/{partition}/verdict with {"stream", "rows"}.',
  },
  RECORD_NOT_CONVERTIBLE: {
    cause: 'A record could not be converted into a row of its table.',
    fix: 'Correct the producer or the table; or set errors.tolerance=all with a dead letter queue.',
  },
  RECORD_TOO_LARGE: {
    cause: 'One row alone exceeds the request limit of the Storage Write API.',
    fix: 'Shrink the record; or set errors.tolerance=all with a dead letter queue.',
  },
  ROW_REFUSED: {
    cause: 'BigQuery refused the row (row error).',
    fix: 'Correct the producer or the table; or set errors.tolerance=all with a dead letter queue.',
  },
  DEAD_LETTER_FAILED: {
    cause: 'A dead letter could not be produced; the partition waits rather than skip the record.',
    fix: 'Check that the dead letter topic exists, accepts the record size and may be written.',
  },
  TABLE_MISSING: {
    cause: 'The destination table does not exist and may not be created.',
    fix: 'Create the table, or set autoCreateTables=true with records that carry a schema.',
  },
  DATASET_MISSING: {
    cause: 'The destination dataset does not exist, or may not be seen.',
    fix: 'Create the dataset, or correct defaultDataset and project.',
  },
  TABLE_SCHEMA_UNSUPPORTED: {
    cause: 'The table has a column type this version cannot write.',
    fix: 'Change or drop the column named in the message.',
  },
  SCHEMA_MISMATCH: {
    cause: 'BigQuery refused the writer schema: it does not fit the table.',
    fix: 'Compare the table with the records; restart the connector after the change.',
  },
  STREAM_GONE: {
    cause: 'The write stream is not found: expired, or its table was dropped or re-created.',
    fix: 'None needed when nothing is in doubt; otherwise see IN_DOUBT.',
  },
  ACK_UNEXPECTED: {
    cause: 'BigQuery acknowledged an append at another offset, or answered in a way the protocol has no rule for.',
    fix: 'Report it with the trace. The partition is stopped because its position is not certain any more.',
  },
  BIGQUERY_UNREACHABLE: {
    cause: 'The BigQuery endpoint did not answer or closed the connection.',
    fix: 'Check bigquery.endpoint, bigquery.rest.endpoint and the network.',
  },
  BIGQUERY_AUTH_FAILED: {
    cause: 'Credentials are missing, refused or expired.',
    fix: 'Check keyfile, keySource, bigquery.keyfile.allowed.paths of the worker and that the service account is enabled.',
  },
  BIGQUERY_PERMISSION_DENIED: {
    cause:
      'The credentials may not use the resource, or the resource does not exist (BigQuery answers both the same way).',
    fix: 'Check the names, and grant roles/bigquery.dataEditor on the dataset.',
  },
  BIGQUERY_QUOTA: {
    cause: 'A BigQuery quota is exhausted.',
    fix: 'None needed for short bursts: Millrace backs off. Ask for a higher quota if it lasts.',
  },
  BIGQUERY_REQUEST_INVALID: {
    cause: 'BigQuery refused the request as invalid.',
    fix: 'See the message of the service.',
  },
  BIGQUERY_CMEK: {
    cause: "The table's customer-managed encryption key is missing, wrong or may not be used.",
    fix: 'Check the key and that the BigQuery service account may encrypt and decrypt with it.',
  },
  REDIS_UNREACHABLE: {
    cause: 'Redis does not answer.',
    fix: 'Check redis.url and that Redis runs. Running partitions continue meanwhile.',
  },
  REDIS_REFUSED: {
    cause: 'Redis answers, but cannot serve now (out of memory, loading, read-only replica) or refused the command.',
    fix: 'See the answer in the message; Redis needs maxmemory-policy noeviction and a writable primary. Running partitions continue.',
  },
  REDIS_AUTH_FAILED: {
    cause: 'Redis refused the credentials, or they may not use the keys below redis.prefix.',
    fix: 'Check user and password in redis.url, and the ACL of the user.',
  },
  NOT_LEADER: {
    cause: 'A worker that does not lead any more published an assignment.',
    fix: 'None needed: the leader of now publishes its own.',
  },
  PORT_IN_USE: {
    cause: 'The listener port is taken.',
    fix: 'Choose another port in listeners, or stop the process that holds it.',
  },
  CONNECTOR_EXISTS: {
    cause: 'A connector of that name exists.',
    fix: 'Use PUT /connectors/{name}/config to change it.',
  },
  CONNECTOR_NOT_FOUND: { cause: 'There is no connector of that name.', fix: 'Check the name.' },
  CONFIG_CONFLICT: {
    cause: 'Somebody else changed the connector at the same moment.',
    fix: 'Read it again and repeat the change.',
  },
  NO_PROGRESS: {
    cause: 'A partition has work but its position has not moved for stall.detection.ms, and nothing said why.',
    fix: 'See the stage it is in: what that stage talks to answers slowly or not at all. If it does, report it with the log.',
  },
  PARTITION_FAILED: {
    cause: 'A partition failed; its trace says why.',
    fix: 'See the trace: GET /connectors/{name}/status. After the repair, restart the task, or wait for the automatic restart.',
  },
  CONNECTOR_FAILED: {
    cause: 'The connector cannot run at all on a worker; its trace says why.',
    fix: 'See the trace: GET /connectors/{name}/status.',
  },
  WAITING_FOR_STREAM_PERMITS: {
    cause: 'A write stream has to be created, and the cluster creates them only so fast (stream.create.*).',
    fix: 'None needed during a cold start of many partitions. If it lasts, raise stream.create.max.per.sec and .per.hour within your BigQuery quota.',
  },
  WAITING_FOR_MEMORY: {
    cause: 'The buffers of the worker are full (worker.memory.budget): other batches are not acknowledged yet.',
    fix: 'Look for what holds them: other reasons of this worker. If there is none, raise worker.memory.budget or add workers.',
  },
  NO_WORKER: {
    cause: 'No worker of the cluster is known to run.',
    fix: 'Start workers with this group.id, and check that they reach Redis.',
  },
  UNASSIGNED: {
    cause: 'A partition has no worker that reports it.',
    fix: 'None needed while the cluster moves partitions. If it lasts, look for errors of the leader and of the worker it is assigned to.',
  },
  NO_PARTITIONS: {
    cause: 'No topic of the cluster matches topics or topics.regex.',
    fix: 'Create the topic, or correct topics, topics.regex or the right to see it.',
  },
  DEAD_LETTER_RATE: {
    cause: 'A notable share of the records of the last minute became dead letters.',
    fix: 'Read the dead letter topic: the headers __connect.errors.* say what is wrong with each record.',
  },
} as const

export type ErrorCode = keyof typeof ERROR_CODES
