// Tables for one run: one for each topic of the scene, dropped when the run is over.
import type { Scene } from '../contestants/contestant.ts'

export type RunTables = {
  /** Of all names; nothing else in the emulator begins so. */
  readonly prefix: string
  /** In the order of the topics. */
  readonly names: readonly string[]
  rows(): Promise<number>
  [Symbol.asyncDispose](): Promise<void>
}

export async function tablesFor({ services, topics, input }: Scene): Promise<RunTables> {
  const prefix = `${services.unique('t')}_`
  const names = topics.map((_, i) => `${prefix}${i}`)
  for (const name of names) await services.createTable(name, input.fields)
  const [only, ...others] = names
  return {
    prefix,
    names,
    rows: () => (only !== undefined && others.length === 0 ? services.rowsIn(only) : services.rowsBehind(prefix)),
    async [Symbol.asyncDispose]() {
      for (const name of names) await services.dropTable(name)
    },
  }
}
