// A config that both accept: Connect keeps keys it does not know.
import { connectorConfig } from '../../e2e/support/stage.ts'

export const TOPIC = 'orders'
export const EMPTY_TOPIC = 'nothing'

export const sinkConfig = (over: Readonly<Record<string, unknown>> = {}): Record<string, unknown> => ({
  ...connectorConfig(TOPIC),
  'connector.class': '{{class}}',
  'key.converter': 'org.apache.kafka.connect.storage.StringConverter',
  ...over,
})
