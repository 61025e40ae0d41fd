// The tester tested: every known way to get the protocol wrong is found. The seed that found it last is tried first; when the code
// has changed so much that it does not any more, the search begins anew.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MUTANTS, type Mutant } from './mutants.ts'
import type { Less } from './plan.ts'
import { runSeed } from './run-seed.ts'
import seeds from './seeds.json' with { type: 'json' }

const SEEDS_MAX = 300

for (const [name, mutant] of Object.entries(MUTANTS)) {
  test(`found: ${mutant.about}`, async () => {
    const known = (seeds.mutants as Readonly<Record<string, number>>)[name]
    const found = await firstFound(mutant, known)
    assert.ok(found !== null, `${name} survives ${SEEDS_MAX} seeds: the simulator is blind to it`)
    assert.equal((await runSeed(found, lessOf(mutant))).violation, null, `seed ${found} fails without the mutant, too`)
  })
}

async function firstFound(mutant: Mutant, known: number | undefined): Promise<number | null> {
  if (known !== undefined && (await runSeed(known, lessOf(mutant), { mutant })).violation !== null) return known
  for (let seed = 1; seed <= SEEDS_MAX; seed++)
    if ((await runSeed(seed, lessOf(mutant), { mutant })).violation !== null) return seed
  return null
}

const lessOf = ({ focus }: Mutant): Less => (focus === undefined ? {} : { focus })
