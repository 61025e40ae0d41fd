// Which methods a path has, for an honest 405 with `Allow` where the router only says "not found".

export class KnownRoutes {
  readonly #methodsByPattern = new Map<string, Set<string>>()

  add(pattern: string, methods: string | readonly string[]): void {
    const known = this.#methodsByPattern.get(pattern) ?? new Set()
    for (const method of [methods].flat()) known.add(method)
    this.#methodsByPattern.set(pattern, known)
  }

  /** Methods of the pattern that matches the path, a literal one before one with parameters; empty for an unknown path. */
  methodsOf(path: string): readonly string[] {
    const segments = segmentsOf(path)
    for (const [pattern, methods] of this.#methodsByPattern) {
      const parts = segmentsOf(pattern)
      const isMatch =
        parts.length === segments.length && parts.every((part, i) => part.startsWith(':') || part === segments[i])
      if (isMatch) return [...methods].sort()
    }
    return []
  }
}

/** As the router reads paths: slashes at the end and doubled ones do not count. */
const segmentsOf = (path: string): readonly string[] => path.split('/').filter(segment => segment !== '')
