// Query parameters as requests carry them, checked for shape; what their values mean is for the SQL side.
// https://cloud.google.com/bigquery/docs/reference/rest/v2/QueryParameter
import type { ParameterType, ParameterValue, QueryParameters } from '../sql/translation.ts'
import { RestError, required } from './rest-error.ts'
import type { Json } from './wire-shape.ts'

/** The parameters of a jobs.query request or a query job's configuration, whose shape was read. Throws RestError 400. */
export function readQueryParameters(configuration: Json): QueryParameters | undefined {
  const given = (configuration.queryParameters ?? []) as readonly Json[]
  if (given.length === 0) return undefined
  // In any case of letters: the Node client says "named".
  const stated = String(configuration.parameterMode ?? '').toUpperCase()
  if (!['', 'NAMED', 'POSITIONAL'].includes(stated))
    throw new RestError(400, 'invalid', `Invalid parameterMode ${stated}: must be NAMED or POSITIONAL`)
  const isNamed = stated ? stated === 'NAMED' : Boolean(given[0]!.name)
  const values = given.map((parameter, index) => {
    const path = `queryParameters[${index}]`
    const name = parameter.name as string | null | undefined
    if (isNamed && !name) throw required(`${path}.name`)
    if (!isNamed && name)
      throw new RestError(400, 'invalid', `${path} has a name, ${name}: named and positional parameters do not mix`)
    return {
      ...(isNamed && { name: name! }),
      parameterType: readType(parameter.parameterType, `${path}.parameterType`),
      parameterValue: readValue(parameter.parameterValue, `${path}.parameterValue`),
    }
  })
  return { mode: isNamed ? 'named' : 'positional', values }
}

function readType(given: unknown, path: string): ParameterType {
  const { type, arrayType, structTypes, rangeElementType } = (given ?? {}) as Json
  if (typeof type !== 'string' || type === '') throw required(`${path}.type`)
  const name = type.toUpperCase()
  if (name === 'ARRAY' && !arrayType) throw required(`${path}.arrayType`)
  if (name === 'RANGE' && !rangeElementType) throw required(`${path}.rangeElementType`)
  return {
    type: name,
    ...(name === 'ARRAY' && { arrayType: readType(arrayType, `${path}.arrayType`) }),
    ...(name === 'RANGE' && { rangeElementType: readType(rangeElementType, `${path}.rangeElementType`) }),
    ...((name === 'STRUCT' || name === 'RECORD') && {
      structTypes: ((structTypes ?? []) as readonly Json[]).map((field, index) => ({
        ...(field.name ? { name: field.name as string } : {}),
        type: readType(field.type, `${path}.structTypes[${index}].type`),
      })),
    }),
  }
}

/** Text where a client sent a JSON number or boolean. */
function readValue(given: unknown, path: string): ParameterValue {
  const { value, arrayValues, structValues, rangeValue } = (given ?? {}) as Json
  if (value !== undefined && value !== null && typeof value === 'object')
    throw new RestError(400, 'invalid', `Invalid value at '${path}.value' (TYPE_STRING), ${JSON.stringify(value)}`)
  const range = (rangeValue ?? {}) as Json
  return {
    ...(value !== undefined && value !== null && { value: String(value) }),
    ...(arrayValues
      ? { arrayValues: (arrayValues as unknown[]).map((item, i) => readValue(item, `${path}[${i}]`)) }
      : {}),
    ...(structValues
      ? {
          structValues: Object.fromEntries(
            Object.entries(structValues as Json).map(([name, member]) => [name, readValue(member, `${path}.${name}`)]),
          ),
        }
      : {}),
    ...(rangeValue
      ? {
          rangeValue: {
            ...(range.start ? { start: readValue(range.start, `${path}.start`) } : {}),
            ...(range.end ? { end: readValue(range.end, `${path}.end`) } : {}),
          },
        }
      : {}),
  }
}
