// A row of the fault matrix (reference: docs/chaos.md). `run` injects the fault while the scene's load goes on, says with
// `scene.hit` that it hit, and asserts what must be true meanwhile and when it is over. What every row expects is not written in
// any: afterwards the runner heals the stage, waits until every partition delivers again, ends the load and compares by content.
import type { Scene, SceneOptions } from './scene.ts'

export type Row = {
  /** Of the matrix; letters where a row is injected in several ways. */
  readonly id: string
  readonly name: string
  readonly how: string
  /** What the default form shortens; `--full` runs it as the matrix says. */
  readonly scaled?: string
  /** Leaves the stage as nobody else should find it. */
  readonly ownStage?: true
  /** Why it cannot run here; null: it can. Checked before it starts. */
  readonly missing?: () => string | null
  readonly scene?: SceneOptions
  /** No partition delivers again: the row drains before its fault and says how each fails; what was delivered is compared. */
  readonly endsInFailure?: true
  readonly patienceMs?: number
  readonly run: (scene: Scene) => Promise<void>
}
