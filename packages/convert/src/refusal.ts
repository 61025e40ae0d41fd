// Why one record cannot become a row. Not an Error: refusing is an everyday outcome, and a stack per bad record is costly.

/** Kafka Connect's stage names: what the converter refuses, and what does not fit the table. */
export type RefusalStage = 'VALUE_CONVERTER' | 'TASK_PUT'

export class Refusal {
  readonly stage: RefusalStage
  /** Path of the column, where there is one. */
  readonly column: string | null
  /** One sentence without any value of the record. */
  readonly message: string

  constructor(stage: RefusalStage, column: string | null, message: string) {
    this.stage = stage
    this.column = column
    this.message = message
  }
}

/** The bytes are not what the converter reads. */
export const unreadable = (message: string): Refusal => new Refusal('VALUE_CONVERTER', null, message)

/** The value does not fit its column. */
export const unfit = (column: string, type: string, message: string): Refusal =>
  new Refusal('TASK_PUT', column, `Column ${column} (${type}): ${message}`)
