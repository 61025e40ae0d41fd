// JSON Schema of a plugin's config, from its definitions: what editors complete and check by.
import type { ConfigKeyInfo } from '@millrace/config'

type Json = Readonly<Record<string, unknown>>

/** Config values are texts; numbers and booleans are taken too. What is not defined is stored as it is. */
export function pluginSchema(plugin: string, definitions: readonly ConfigKeyInfo[]): Json {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: plugin,
    type: 'object',
    properties: Object.fromEntries(definitions.map(definition => [definition.name, propertyOf(definition)])),
    required: definitions.filter(({ required }) => required).map(({ name }) => name),
    additionalProperties: { type: ['string', 'number', 'boolean'] },
  }
}

function propertyOf({ type, display_name, documentation, default_value, group, importance }: ConfigKeyInfo): Json {
  return {
    type: TYPES[type] ?? 'string',
    title: display_name,
    description: documentation,
    ...(default_value === null ? {} : { default: default_value }),
    ...(type === 'PASSWORD' ? { format: 'password', writeOnly: true } : {}),
    'x-connect-type': type,
    'x-connect-group': group,
    'x-connect-importance': importance,
  }
}

const TYPES: Readonly<Record<string, readonly string[]>> = {
  BOOLEAN: ['string', 'boolean'],
  INT: ['string', 'integer'],
  SHORT: ['string', 'integer'],
  LONG: ['string', 'integer'],
  DOUBLE: ['string', 'number'],
}
