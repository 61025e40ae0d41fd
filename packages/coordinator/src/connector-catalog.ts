// What the leader assigns: connectors as the config log tells, with their partitions as Kafka tells.
import type { AssignableConnector, TargetState, TopicPartition } from '@millrace/core'

export type CatalogConnector = Omit<AssignableConnector, 'partitions'> & {
  /** STOPPED has no tasks; PAUSED keeps them where they are (the worker pauses them). */
  readonly targetState: TargetState
  /** null while they are not known: those assigned already stay. */
  readonly partitions: readonly TopicPartition[] | null
}

export interface ConnectorCatalog {
  /** null until the config log has been read to its end once: assigning from half of it would stop connectors. */
  connectors(): readonly CatalogConnector[] | null
}
