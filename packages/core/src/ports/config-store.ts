// The cluster's wishes (connector configs, target states, restart requests): a local replica to read, compare-and-set to write.
import type { ConfigVersion, ConnectorEntry, ControlState, RawConfig, TargetState } from '../control/control-state.ts'
import type { RequestKey, RequestMark } from '../control/request-marks.ts'
import type { Incarnation } from '../ids.ts'

export type ControlChange =
  | {
      readonly kind: 'create'
      readonly name: string
      readonly config: RawConfig
      readonly targetState: TargetState
      readonly incarnation: Incarnation
      readonly journalId: string
    }
  /** Replaces the whole config. The same config again changes nothing and restarts nothing. */
  | { readonly kind: 'configure'; readonly name: string; readonly config: RawConfig }
  | { readonly kind: 'setTargetState'; readonly name: string; readonly targetState: TargetState }
  | {
      readonly kind: 'restart'
      readonly name: string
      readonly connector: boolean
      readonly tasks: 'all' | readonly number[]
    }
  | { readonly kind: 'resetTopics'; readonly name: string }
  | { readonly kind: 'delete'; readonly name: string }

export type WriteResult =
  | { readonly kind: 'written'; readonly entry: ConnectorEntry }
  /** It was so already. */
  | { readonly kind: 'unchanged'; readonly entry: ConnectorEntry }
  | { readonly kind: 'deleted' }
  | { readonly kind: 'exists'; readonly entry: ConnectorEntry }
  | { readonly kind: 'notFound' }
  /** `ifVersion` was given and is not the current version (null: there is no such connector). */
  | { readonly kind: 'conflict'; readonly currentVersion: number | null }
  /** `requestKey` was given and its change of this connector was made before; nothing was done now. */
  | { readonly kind: 'replayed'; readonly mark: RequestMark }
  /** `requestKey` was given and another request has its key. */
  | { readonly kind: 'keyTaken' }

export interface ConfigStore {
  /** The local replica: never waits, at most a long poll behind the others, and it holds all this store has written. */
  read(): ControlState
  /** Configs of this connector, newest first, as of the local replica; the first one is in force. Empty when there is none. */
  history(name: string): readonly ConfigVersion[]
  /** What requests under this key did, by connector, as of the local replica. Empty when there was none, or too long ago. */
  marks(key: string): ReadonlyMap<string, RequestMark>
  /** Reads to the end of the log first: everything anybody was told to be written before this call is in the answer. */
  refresh(options: { signal: AbortSignal }): Promise<ControlState>
  /**
   * Resolves when the outcome is certain and in the local replica. Without `ifVersion` a lost race is tried again on the
   * newer state. `by`: who asks, kept with the config. `requestKey`: the change is made once, and what came of it is kept with
   * it even where it was so already. Rejects with `signal.reason` when aborted: then the change may or may not be applied, now or later.
   */
  write(
    change: ControlChange,
    options: {
      readonly ifVersion?: number
      readonly by?: string
      readonly requestKey?: RequestKey
      readonly signal: AbortSignal
    },
  ): Promise<WriteResult>
  /** The current state, then the latest after each change (steps that follow quickly are skipped). Ends when aborted. */
  changes(options: { signal: AbortSignal }): AsyncIterable<ControlState>
}
