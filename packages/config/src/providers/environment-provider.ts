// EnvVarConfigProvider: variables of the worker's environment whose whole name the operator's pattern matches.
import { compileRegex } from '../regex/compile.ts'
import { answered, type ConfigProvider, problem } from './config-provider.ts'

export function environmentProvider(
  pattern: string,
  environment: Readonly<Record<string, string | undefined>>,
): ConfigProvider {
  const allowed = compileRegex(pattern)
  return {
    get: (path, key) => {
      if (path !== null && path !== '') return problem('variables have no path')
      // The same answer for one that is not there: nobody learns which there are.
      const value = allowed.matches(key) && Object.hasOwn(environment, key) ? environment[key] : undefined
      return value === undefined ? problem('there is no such variable that allowlist.pattern matches') : answered(value)
    },
  }
}
