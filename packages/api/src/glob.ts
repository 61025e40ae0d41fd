// Names by pattern: `*` any characters, `?` one. No regular expression, so that no pattern takes long: at most pattern × name steps.
export const GLOB_CHARS_MAX = 128

export function matchesGlob(pattern: string, name: string): boolean {
  let [p, n, star, resume] = [0, 0, -1, 0]
  while (n < name.length) {
    if (pattern[p] === '*') {
      star = p++
      resume = n
    } else if (pattern[p] === '?' || (p < pattern.length && pattern[p] === name[n])) {
      p++
      n++
    } else if (star >= 0) {
      p = star + 1 // the last star takes one character more; earlier ones need not
      n = ++resume
    } else return false
  }
  while (pattern[p] === '*') p++
  return p === pattern.length
}
