// What one measurement reads: records of a shape, the table they fit, and over how many topics they are spread.
import type { Field } from '../../e2e/support/stage.ts'

export type Input = {
  readonly name: string
  readonly about: string
  readonly fields: readonly Field[]
  /** Each has a table of its own. */
  readonly topics: number
  /** Of each topic; null: as `--partitions` says. */
  readonly partitions: number | null
  /** Records of this input for one of `--records`: large ones are fewer, so that all inputs take about the same bytes. */
  readonly share: number
  /** JSON text of one record and a newline; nothing but `id` decides what it says. */
  readonly line: (id: number) => string
}
