// Runs rows one after another, on one stage as long as it is fit for the next, and answers what came of each.
import { mkdirSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { check } from './checker.ts'
import type { Row } from './row.ts'
import { PATIENCE_MS, Scene } from './scene.ts'
import { ChaosStage } from './stage.ts'
import type { Verdict } from './verdict.ts'

export type Outcome = {
  readonly id: string
  readonly name: string
  /** `void`: the fault did not hit, so nothing was shown. */
  readonly status: 'held' | 'failed' | 'void' | 'skipped'
  readonly seconds: number
  /** Of the machine, when it ended. */
  readonly load: number
  readonly hits: Readonly<Record<string, number>>
  readonly takeoverMs: readonly number[]
  readonly recoveryMs: number | null
  readonly verdict: Verdict | null
  /** Why it failed or was skipped. */
  readonly because?: string
}

export type RunOptions = {
  readonly isFull: boolean
  /** A folder for the workers' logs of rows that do not hold. */
  readonly logs?: string
  readonly onOutcome?: (outcome: Outcome) => void
}

/** On a stage that is there and stays; it is healed in any case, and left without a connector. */
export async function runRow(stage: ChaosStage, row: Row, isFull: boolean): Promise<Outcome> {
  const start = performance.now()
  const name = stage.unique(`row_${row.id.replaceAll(/\W/g, '_')}`)
  let scene: Scene | null = null
  let verdict: Verdict | null = null
  let because: string | undefined
  const missing = row.missing?.() ?? null
  const answer = (status: Outcome['status']): Outcome => ({
    id: row.id,
    name: row.name,
    status,
    seconds: (performance.now() - start) / 1000,
    load: loadavg()[0] ?? 0,
    hits: Object.fromEntries(scene?.hits ?? []),
    takeoverMs: scene?.takeoverMs ?? [],
    recoveryMs: scene?.recoveryMs ?? null,
    verdict,
    ...(because === undefined ? {} : { because }),
  })
  if (missing !== null) {
    because = missing
    return answer('skipped')
  }
  try {
    scene = await Scene.open(stage, name, isFull, row.scene)
    await row.run(scene)
    if (row.ownStage !== true) await stage.heal()
    if (row.endsInFailure !== true) {
      const healedMs = performance.now()
      if (scene.recoveryMs === null) await scene.untilRecovered(healedMs)
      else await scene.untilFresh()
    }
    const ledger = await scene.flow.end()
    verdict = await check(stage, scene, ledger, row.patienceMs ?? PATIENCE_MS)
    if (verdict.differences.length > 0) throw new Error(verdict.differences.join('; '))
    return answer(scene.isVoid ? 'void' : 'held')
  } catch (error) {
    because = error instanceof Error ? error.message : String(error)
    return answer('failed')
  } finally {
    await scene?.flow.end()
  }
}

/** Opens stages as they are needed, and closes them. */
export async function runRows(
  rows: readonly Row[],
  { isFull, logs, onOutcome }: RunOptions,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = []
  if (logs !== undefined) mkdirSync(logs, { recursive: true })
  let stage: ChaosStage | null = null
  try {
    for (const row of rows) {
      stage ??= await ChaosStage.begin()
      const outcome = await runRow(stage, row, isFull)
      outcomes.push(outcome)
      if (logs !== undefined && outcome.status !== 'held' && outcome.status !== 'skipped')
        writeFileSync(join(logs, `row-${row.id}.log`), stage.logs())
      onOutcome?.(outcome)
      const isFit = outcome.status !== 'failed' && row.ownStage !== true && (await isTidied(stage))
      if (isFit) continue
      await stage[Symbol.asyncDispose]()
      stage = null
    }
    return outcomes
  } finally {
    await stage?.[Symbol.asyncDispose]()
  }
}

async function isTidied(stage: ChaosStage): Promise<boolean> {
  try {
    await stage.heal()
    await stage.deleteConnectors()
    return true
  } catch {
    return false
  }
}
