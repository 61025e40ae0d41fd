// A failing list of things → a shorter one that still fails: halves are left out, then quarters, and so on.

export async function shrink<T>(
  items: readonly T[],
  stillFails: (items: readonly T[]) => Promise<boolean>,
  hasTime: () => boolean,
): Promise<readonly T[]> {
  let left = items
  for (let size = Math.ceil(left.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < left.length && hasTime(); ) {
      const fewer = left.toSpliced(at, size)
      if (await stillFails(fewer)) left = fewer
      else at += size
    }
  }
  return left
}
