// connector.client.config.override.policy by its short names and by Kafka Connect's classes.

const NAMES = ['All', 'None', 'Principal', 'Allowlist'] as const
export type OverridePolicyName = (typeof NAMES)[number]
const classOf = (name: OverridePolicyName): string =>
  `org.apache.kafka.connect.connector.policy.${name}ConnectorClientConfigOverridePolicy`

export type OverridePolicy = { readonly name: OverridePolicyName; readonly allowlist: readonly string[] }

export const overridePolicy = (text: string, allowlist: readonly string[]): OverridePolicy => ({
  name: NAMES.find(name => text === name || text === classOf(name)) ?? 'None',
  allowlist,
})

/** Beside these, a key must be one this version knows (client-overrides.ts). */
export function isOverrideAllowed({ name, allowlist }: OverridePolicy, setting: string): boolean {
  switch (name) {
    case 'All':
      return true
    case 'Allowlist':
      return allowlist.includes(setting)
    case 'Principal':
      return ['security.protocol', 'sasl.jaas.config', 'sasl.mechanism'].includes(setting)
    case 'None':
      return false
  }
}
