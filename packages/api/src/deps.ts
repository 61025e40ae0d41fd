// All the REST API needs from the worker it runs in. `cli` supplies it; tests supply twins.
import type { ConfigInfos, ConfigKeyInfo } from '@millrace/config'
import type {
  Assignment,
  Clock,
  ConfigStore,
  ConnectorEntry,
  Incarnation,
  KafkaOffset,
  Logger,
  Random,
  RawConfig,
  StatusBoard,
  StreamName,
  StreamOffset,
  Timers,
  TopicPartition,
  VerifyProgress,
  VerifyReceipt,
  WorkerId,
  WorkerReport,
} from '@millrace/core'
import type { AuditSink } from './audit.ts'

export type { AuditedChange, AuditRecord, AuditSink } from './audit.ts'

export type ApiDeps = {
  readonly configStore: ConfigStore
  readonly cluster: ClusterReports
  readonly configs: ConnectorConfigs
  readonly offsets: ConnectorOffsets
  readonly loggers: LoggerLevels
  readonly verification: ConnectorVerification
  /** Writes the Verdict to the journal; the partition's next claim folds it. CONFIG_INVALID when it has no such stream. */
  giveVerdict(entry: ConnectorEntry, verdict: Verdict, options: { signal: AbortSignal }): Promise<void>
  readonly worker: ThisWorker
  /** Id of the Kafka cluster, for `GET /`. */
  clusterId(options: { signal: AbortSignal }): Promise<string>
  /** Of this worker (KIP-1017). */
  health(options: { signal: AbortSignal }): Promise<Health>
  /** Takes a record of every change that is asked for. */
  readonly audit: AuditSink
  /** What judging the health of connectors needs to remember. */
  readonly watch: HealthWatch
  /** Whether active topics are told of, and may be reset (KIP-558). */
  readonly topicTracking: { readonly isEnabled: boolean; readonly mayReset: boolean }
  /**
   * Called before a connector is created: writes the Genesis of its new incarnation and answers with the journal's id.
   * `initialOffsets` stand in that Genesis, before anybody sees the connector; POSITION_REFUSED when they cannot be.
   * A create that then loses its race leaves a Genesis without a connector, which means nothing.
   */
  beginIncarnation(
    config: RawConfig,
    incarnation: Incarnation,
    options: { readonly initialOffsets?: readonly PositionChange[]; readonly signal: AbortSignal },
  ): Promise<string>
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
}

export type ThisWorker = {
  readonly worker: WorkerId
  /** `rest.advertised.host.name:port`: the API's `worker_id`. */
  readonly advertised: string
  readonly pid: number
  /** Of Millrace. `GET /` tells the Kafka level instead: clients read features from it. */
  readonly version: string
  readonly commit: string
}

export interface ClusterReports {
  /** The reports of all live workers, decoded. */
  reports(options: { signal: AbortSignal }): Promise<readonly WorkerReport[]>
  assignment(options: { signal: AbortSignal }): Promise<Assignment | null>
}

export type PluginInfo = { readonly class: string; readonly type: string; readonly version?: string }

export interface ConnectorConfigs {
  /** The full class name of a connector plugin given by class, simple name or alias; null when there is none. */
  connectorClass(name: string): string | null
  readonly taskClass: string
  /** Validates a config whose `connector.class` is known. Errors are in the answer. Must not touch the network. */
  validate(config: RawConfig): ConfigInfos
  plugins(): readonly PluginInfo[]
  /** Definitions of any plugin given by class, simple name or alias; null when there is none. */
  pluginConfig(name: string): readonly ConfigKeyInfo[] | null
}

export type ConnectorPosition = { readonly tp: TopicPartition; readonly nextKafkaOffset: KafkaOffset }
/** null forgets the position of that partition. */
export type PositionChange = { readonly tp: TopicPartition; readonly nextKafkaOffset: KafkaOffset | null }

/** Positions in the journal, which is the truth; the consumer group follows. A refusal is a MillraceError. */
export interface ConnectorOffsets {
  get(entry: ConnectorEntry, options: { signal: AbortSignal }): Promise<readonly ConnectorPosition[]>
  /** The connector is STOPPED. */
  alter(entry: ConnectorEntry, changes: readonly PositionChange[], options: { signal: AbortSignal }): Promise<void>
  /** The connector is STOPPED. */
  reset(entry: ConnectorEntry, options: { signal: AbortSignal }): Promise<void>
}

/** Comparing a connector with its topics and tables. Reads only. */
export interface ConnectorVerification {
  /** Rejects with what keeps it from comparing at all. */
  verify(
    entry: ConnectorEntry,
    options: { readonly onProgress: (progress: VerifyProgress) => void; readonly signal: AbortSignal },
  ): Promise<VerifyReceipt>
  /** What is told of runs to other workers, by connector. */
  readonly board: StatusBoard
}

/** An operator's answer to IN_DOUBT: so many rows of the stream count as landed. */
export type Verdict = { readonly tp: TopicPartition; readonly stream: StreamName; readonly rows: StreamOffset }

export type LoggerLevel = { readonly level: string; readonly lastModifiedMs: number | null }
export interface LoggerLevels {
  /** Those set explicitly, `root` among them. */
  list(): ReadonlyMap<string, LoggerLevel>
  /** The names affected; null when the level is unknown. Forgotten at restart, as in Connect. */
  set(name: string, level: string): readonly string[] | null
  /** On every worker that runs now; false when the level is unknown. Rejects when the others cannot be told. */
  setEverywhere(name: string, level: string): Promise<boolean>
}

/** See HealthContext of core. */
export interface HealthWatch {
  /** stall.detection.ms */
  readonly stallMs: number
  readonly absentSinceMs: ReadonlyMap<string, number>
  readonly boardAwaySinceMs: number | null
}

export type Health = {
  readonly status: 'starting' | 'healthy' | 'unhealthy'
  /** What it is doing or waiting for, added to Connect's sentence. */
  readonly detail?: string
}
