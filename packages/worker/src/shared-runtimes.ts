// Runtimes of connectors that run here: one per connector generation, shared by its partitions, and closed when the last has let
// go of it. So neither credentials nor connections live longer than what was configured to use them.
import type { ConnectorEntry } from '@millrace/core'
import type { ConnectorRuntime } from './connector-runtime.ts'

export type RuntimeLease = {
  /** Rejects with why it cannot be opened; the next lease tries again. */
  readonly opened: Promise<ConnectorRuntime>
  /** Idempotent; also while it is being opened. */
  release(): void
}

type Shared = { readonly opened: Promise<ConnectorRuntime>; holders: number }

export class SharedRuntimes {
  /** By connector generation; each has a partition of this worker that holds it. */
  readonly #current = new Map<string, Shared>()

  lease(entry: ConnectorEntry, open: () => Promise<ConnectorRuntime>): RuntimeLease {
    const key = runtimeKey(entry)
    const shared = this.#current.get(key) ?? this.#open(key, open)
    shared.holders += 1
    let isHeld = true
    return {
      opened: shared.opened,
      release: () => {
        if (!isHeld) return
        isHeld = false
        shared.holders -= 1
        if (shared.holders === 0) this.#close(key, shared)
      },
    }
  }

  /** The next lease opens anew. Whoever holds the present one goes on with it. */
  forget(entry: ConnectorEntry): void {
    this.#current.delete(runtimeKey(entry))
  }

  #open(key: string, open: () => Promise<ConnectorRuntime>): Shared {
    const shared: Shared = { opened: open(), holders: 0 }
    this.#current.set(key, shared)
    shared.opened.catch(() => this.#drop(key, shared)) // the caller reports it
    return shared
  }

  #close(key: string, shared: Shared): void {
    this.#drop(key, shared)
    shared.opened.then(
      runtime => runtime.close(),
      () => {},
    )
  }

  #drop(key: string, shared: Shared): void {
    if (this.#current.get(key) === shared) this.#current.delete(key)
  }
}

const runtimeKey = ({ incarnation, configGeneration, restarts }: ConnectorEntry): string =>
  `${incarnation}.${configGeneration}.${restarts.connector}.${restarts.allTasks}`
