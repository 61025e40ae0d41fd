// One thing a worker can do: ask something of what all share, and go on by the answer.
import type { Ask } from './asks.ts'
import type { Event } from './scope.ts'
import type { Violation, Worker } from './world.ts'

/** What an answer makes of a worker. null: nothing of it can act any more. */
export type Heard = { readonly worker: Worker | null; readonly note?: string; readonly violation?: Violation }

export type Doing = {
  readonly label: string
  readonly ask: Ask<object>
  /** null: with this answer it is not possible. */
  readonly hear: (answer: object) => Heard | null
  readonly spends: Event | null
}

export function doing<A extends object>(
  label: string,
  ask: Ask<A>,
  hear: (answer: A) => Heard | null,
  spends: Event | null = null,
): Doing {
  return { label, ask, hear: answer => hear(answer as A), spends } // the answer is one to this ask
}
