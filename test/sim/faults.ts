// Everything a simulated world can be troubled with, by name. A seed draws its own few of them: faults that always come together
// hide each other. https://www.cs.utah.edu/~regehr/papers/swarm12.pdf
// `row`: of the fault matrix (docs/testing.md says which rows need processes and are run elsewhere).

export type Fault =
  | 'kill'
  | 'killAtStep'
  | 'killAll'
  | 'freeze'
  | 'freezeAtStep'
  | 'rival'
  | 'clockSkew'
  | 'rollingRestart'
  | 'slowNetwork'
  | 'appendLost'
  | 'appendReplyLost'
  | 'appendHeld'
  | 'appendSilent'
  | 'appendRefused'
  | 'wrongAnswer'
  | 'callLost'
  | 'callReplyLost'
  | 'journalLost'
  | 'journalLate'
  | 'journalReplyLost'
  | 'compaction'
  | 'lettersLost'
  | 'lettersReplyLost'
  | 'gaps'
  | 'abortedTransactions'
  | 'openTransaction'
  | 'unreadable'
  | 'refused'
  | 'tombstones'
  | 'filtered'
  | 'configChange'
  | 'schemaChange'
  | 'redisSlow'
  | 'redisDown'
  | 'redisAnswersLost'
  | 'redisWiped'
  | 'redisRolledBack'
  | 'redisSplit'
  | 'configLost'
  | 'configReplyLost'
  | 'pauseResume'
  | 'deleteCreate'
  | 'partitionGrowth'
  | 'kafkaDown'
  | 'bigQueryDown'
  | 'streamExpires'
  | 'moveOffsets'
  | 'tableDropped'
  | 'columnDropped'
  | 'retention'
  | 'truncated'
  | 'topicRecreated'
  | 'oldVersion'

export type FaultInfo = { readonly row: string; readonly about: string }

export const FAULTS: Readonly<Record<Fault, FaultInfo>> = {
  kill: { row: '1', about: 'a process dies at any moment' },
  killAtStep: { row: '2', about: 'a process dies just before or after a durable step' },
  killAll: { row: '9', about: 'all processes die together' },
  freeze: { row: '3–6', about: 'a process stands still and goes on later, not knowing' },
  freezeAtStep: {
    row: '3',
    about: 'a process stands still just before or after a durable step, and another one takes over',
  },
  rival: { row: '8', about: 'two processes work on the same partitions, each as if it were alone' },
  clockSkew: { row: '48', about: 'wall clocks are hours apart, and run at different speeds' },
  rollingRestart: { row: '10', about: 'processes end in order and others come' },
  slowNetwork: { row: '16, 28', about: 'single messages take up to 20 s' },
  appendLost: { row: '30', about: 'a connection breaks before the service saw the append' },
  appendReplyLost: { row: '29', about: 'a connection breaks after the append was applied' },
  appendHeld: { row: '31', about: 'an append lingers in the network and arrives long after' },
  appendSilent: { row: '36', about: 'an append is never answered, applied or not' },
  appendRefused: { row: '37, 38', about: 'the service refuses appends for the moment' },
  wrongAnswer: { row: '45', about: 'the service acknowledges another offset, or a first copy as written already' },
  callLost: { row: '33, 34', about: 'unary calls to BigQuery are lost on the way' },
  callReplyLost: { row: '32, 34', about: 'unary calls to BigQuery are carried out and not answered' },
  journalLost: { row: '20', about: 'a journal write is rejected and never lands' },
  journalLate: { row: '21', about: 'a journal write is given up and lands later' },
  journalReplyLost: { row: '21', about: 'a journal write lands and is given up' },
  compaction: { row: '–', about: 'the journal is compacted, tombstones and all' },
  lettersLost: { row: '51', about: 'dead letters are not produced' },
  lettersReplyLost: { row: '51', about: 'dead letters are produced and not acknowledged' },
  gaps: { row: '26', about: 'offsets without records' },
  abortedTransactions: { row: '27', about: 'transactions that are aborted' },
  openTransaction: { row: '27', about: 'a transaction that hangs' },
  unreadable: { row: '39', about: 'records that do not convert' },
  refused: { row: '39', about: 'rows that the table refuses' },
  tombstones: { row: '–', about: 'tombstones' },
  filtered: { row: '–', about: 'records that a filter drops' },
  configChange: { row: '–', about: 'another config, of which each process hears in its own time' },
  schemaChange: { row: '40', about: 'a column becomes wider, so that rows refused before are taken' },
  redisSlow: { row: '16', about: 'commands to Redis take up to 5 s' },
  redisDown: { row: '13', about: 'Redis is away for a while' },
  redisAnswersLost: { row: '15, 16', about: 'Redis carries commands out, and nobody hears' },
  redisWiped: { row: '12', about: 'Redis forgets everything' },
  redisRolledBack: { row: '14, 15', about: 'Redis goes back to what it was some time ago' },
  redisSplit: { row: '8, 15, 49', about: 'half of the processes see another Redis, with a leader of its own' },
  configLost: { row: '20', about: 'writes to the config topic are lost' },
  configReplyLost: { row: '21', about: 'writes to the config topic land and are not acknowledged' },
  pauseResume: { row: '–', about: 'the connector is paused, stopped, started and restarted' },
  deleteCreate: { row: '–', about: 'the connector is deleted and made anew' },
  partitionGrowth: { row: '25', about: 'the topic gets more partitions' },
  kafkaDown: { row: '18–20', about: 'Kafka does not answer for up to 20 s' },
  bigQueryDown: { row: '33, 43', about: 'BigQuery does not answer for up to 20 s' },
  streamExpires: {
    row: '42',
    about: 'a stream is not found any more; where something is in doubt an operator says what the table holds',
  },
  moveOffsets: { row: '–', about: 'an operator moves the position of a stopped connector' },
  tableDropped: { row: '41', about: 'the table is dropped under running streams, and comes back later under its name' },
  columnDropped: { row: '40', about: 'a column is gone for a while' },
  retention: {
    row: '24',
    about: 'records are deleted before they are delivered; they are skipped and audited, or somebody has to say so',
  },
  truncated: { row: '22', about: 'the log loses its last records, and others take their offsets' },
  topicRecreated: { row: '23', about: 'the topic is deleted and made anew' },
  oldVersion: { row: '11', about: 'some processes are of the last version, which knows nothing of lost offsets' },
}

export const FAULT_NAMES: readonly Fault[] = Object.keys(FAULTS) as Fault[]
