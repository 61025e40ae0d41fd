// Finds the message or enum a field's type_name means, within one DescriptorProto. Clients spell it relatively (`Inner`, `a_B_E.B`),
// or as protoc does (`.package.Row.Inner`), where the package is nowhere to be found in the descriptor.
import type { EnumDescriptor, MessageDescriptor } from './descriptor.ts'

/** A message and those it is nested in, outermost first. */
export type Scope = readonly MessageDescriptor[]

/** Parts of a name; the deepest nesting allowed is less. */
const PARTS_MAX = 64

export const messageOf = (scope: Scope): MessageDescriptor => scope.at(-1)!

/** The message's own scope, or undefined when there is none of that name. */
export function findMessage(scope: Scope, typeName: string): Scope | undefined {
  return find(scope, typeName, (holder, names) => descend(holder, names))
}

export function findEnum(scope: Scope, typeName: string): EnumDescriptor | undefined {
  return find(scope, typeName, (holder, names) => {
    const owner = names.length > 1 ? descend(holder, names.slice(0, -1)) : holder
    return owner && messageOf(owner).enums.find(candidate => candidate.name === names.at(-1))
  })
}

/**
 * From the innermost scope outwards, as protoc resolves names; a leading part that is the scope's own name, or of a package that is
 * not here, is read over.
 */
function find<Found>(
  scope: Scope,
  typeName: string,
  lookUp: (holder: Scope, names: readonly string[]) => Found | undefined,
): Found | undefined {
  const names = typeName.split('.', PARTS_MAX + 1).filter(name => name !== '')
  if (names.length > PARTS_MAX) return undefined
  if (typeName.startsWith('.')) {
    const root = scope.slice(0, 1)
    const at = names.indexOf(messageOf(root).name)
    const found = at >= 0 && at < names.length - 1 ? lookUp(root, names.slice(at + 1)) : undefined
    if (found !== undefined) return found
  }
  for (let from = 0; from < names.length; from++)
    for (let depth = scope.length; depth > 0; depth--) {
      const found = lookUp(scope.slice(0, depth), names.slice(from))
      if (found !== undefined) return found
    }
  // `.Row` names the row itself: found so that it can be refused as recursive.
  return scope.length > 0 && names.length > 0 && names.at(-1) === messageOf(scope.slice(0, 1)).name
    ? lookUp(scope.slice(0, 1), [])
    : undefined
}

function descend(holder: Scope, names: readonly string[]): Scope | undefined {
  const scope = [...holder]
  for (const name of names) {
    const next = messageOf(scope).nested.find(candidate => candidate.name === name)
    if (!next) return undefined
    scope.push(next)
  }
  return scope
}
