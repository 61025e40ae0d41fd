// Which names belong to a table, however the table is spelled.

/** Matches the names of a table, of its partitions and of their streams, given as `t`, `d.t`, `p.d.t` or a resource name. */
export function tablePattern(table: string): RegExp {
  const literally = (text: string | undefined): string => text?.replace(/[.*+?^${}()|[\]\\]/g, '\\$&') || '[^/]+'
  if (table.startsWith('projects/')) return new RegExp(`^${literally(table)}(?:[$/]|$)`)
  const [name, dataset, ...project] = table.split('.').reverse()
  const path = `projects/${literally(project.reverse().join('.'))}/datasets/${literally(dataset)}/tables/${literally(name)}`
  return new RegExp(`^${path}(?:[$/]|$)`)
}
