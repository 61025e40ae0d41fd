// Settings of topics, changed while everything runs.
import kafkajs from 'kafkajs'
import type { ChaosStage } from './stage.ts'

/** Beside what is set already: KafkaJS replaces all of it. */
export async function setTopic(
  stage: ChaosStage,
  topic: string,
  over: Readonly<Record<string, string>>,
): Promise<void> {
  const type = kafkajs.ConfigResourceTypes.TOPIC
  const { resources } = await stage.admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type, name: topic }],
  })
  const TOPIC_CONFIG = 1 // https://kafka.apache.org/protocol: DescribeConfigs, config_source
  const set = (resources[0]?.configEntries ?? []).filter(each => Number(each.configSource) === TOPIC_CONFIG)
  const entries = { ...Object.fromEntries(set.map(each => [each.configName, each.configValue])), ...over }
  await stage.admin.alterConfigs({
    validateOnly: false,
    resources: [
      { type, name: topic, configEntries: Object.entries(entries).map(([name, value]) => ({ name, value })) },
    ],
  })
}
