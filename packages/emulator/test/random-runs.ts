// How long the random tests go on: the same cases each time, unless EMULATOR_FUZZ asks for more.
/** EMULATOR_FUZZ=100 makes every random part a hundred times longer, with seeds of the day. */
export const ROUNDS: number = Number(process.env.EMULATOR_FUZZ ?? 1)
const SEED = 20261122

/** Runs of a random property: always the same ones in the short form. */
export const runs = (count: number): { numRuns: number; seed?: number; endOnFailure: boolean } => ({
  numRuns: count * ROUNDS,
  ...(ROUNDS === 1 && { seed: SEED }),
  endOnFailure: true,
})
