// Flags of Node for a CPU profile, written when the process ends.
export const profileFlags = (folder: string | null): readonly string[] =>
  folder === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`]
