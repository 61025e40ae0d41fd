// How PATCH changes stored REST members: objects merge, lists and scalars replace, null deletes (RFC 7396).
type Members = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export function mergePatch(before: Members, patch: Members): Members {
  const merged = new Map(Object.entries(before))
  for (const [name, value] of Object.entries(patch)) {
    const old = merged.get(name)
    if (value === null) merged.delete(name)
    else merged.set(name, isObject(value) ? mergePatch(isObject(old) ? old : {}, value) : value)
  }
  return Object.fromEntries(merged)
}
