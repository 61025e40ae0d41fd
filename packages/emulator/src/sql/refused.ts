// How the translator says no: in BigQuery's words where BigQuery would refuse too, else naming what this emulator lacks.

/** A statement that cannot be translated, in words for the caller. */
export class SqlRefused extends Error {
  readonly reason: 'invalidQuery' | 'notFound'

  constructor(message: string, reason: SqlRefused['reason'] = 'invalidQuery') {
    super(message)
    this.reason = reason
  }
}

export const notTranslated = (what: string): SqlRefused => new SqlRefused(`${what} is not translated by this emulator`)
