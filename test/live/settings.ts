// What a run needs from its environment, and which of it is missing.
import type { Service } from './client.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** Name → what it is, as usage and refusal say it. Credentials are looked for by Google's own rules. */
export const ENVIRONMENT: Readonly<Record<string, string>> = {
  GOOGLE_CLOUD_PROJECT: 'the project that is charged, and that has the data set',
  MILLRACE_LIVE_DATASET: 'a data set that exists: a table is created in it and dropped at the end',
  GOOGLE_APPLICATION_CREDENTIALS: 'a key file, unless the machine has application default credentials another way',
  MILLRACE_LIVE_ENDPOINT: 'http://host:port of an emulator to be tried on instead of the service (gRPC) …',
  MILLRACE_LIVE_REST_ENDPOINT: '… and of its REST API; both, and no credentials are used',
}
const NEEDED = ['GOOGLE_CLOUD_PROJECT', 'MILLRACE_LIVE_DATASET'] as const
/** What may stand in a resource name: https://cloud.google.com/resource-manager/docs/creating-managing-projects, …/bigquery/docs/datasets */
const FORMS: Readonly<Record<(typeof NEEDED)[number], RegExp>> = {
  GOOGLE_CLOUD_PROJECT: /^[a-z0-9.:-]{1,100}$/,
  MILLRACE_LIVE_DATASET: /^\w{1,1024}$/,
}

/** The service to run on, or the sentences that say why not. */
export function serviceFrom(environment: Environment): Service | readonly string[] {
  const problems = NEEDED.flatMap(name => {
    const value = environment[name]
    if (value === undefined || value === '') return [`${name} is not set: ${ENVIRONMENT[name]}.`]
    return FORMS[name].test(value) ? [] : [`${name} is no valid name.`]
  })
  const { MILLRACE_LIVE_ENDPOINT: endpoint, MILLRACE_LIVE_REST_ENDPOINT: restEndpoint } = environment
  if ((endpoint === undefined) !== (restEndpoint === undefined))
    problems.push('MILLRACE_LIVE_ENDPOINT and MILLRACE_LIVE_REST_ENDPOINT go together, or not at all.')
  if (problems.length > 0) return problems
  const { GOOGLE_CLOUD_PROJECT: project = '', MILLRACE_LIVE_DATASET: dataset = '' } = environment
  return { project, dataset, ...(endpoint !== undefined && restEndpoint !== undefined && { endpoint, restEndpoint }) }
}
