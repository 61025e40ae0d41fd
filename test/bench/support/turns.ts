// The order of one turn: whoever comes second finds a warmer machine, so everybody begins once, and every second turn runs backwards.
export function turnOf<T>(all: readonly T[], turn: number): readonly T[] {
  const shift = all.length === 0 ? 0 : (turn >> 1) % all.length
  const rotated = [...all.slice(shift), ...all.slice(0, shift)]
  return turn % 2 === 0 ? rotated : rotated.toReversed()
}
