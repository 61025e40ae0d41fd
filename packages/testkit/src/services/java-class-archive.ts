// A class data archive (AppCDS) for Kafka's JVMs: made once per machine by a broker that starts only to end again, it saves
// a third of the CPU time of every later start. Optional in every respect: without one, java just starts slower.
// https://docs.oracle.com/en/java/javase/17/docs/specs/man/java.html#application-class-data-sharing
import { createHash } from 'node:crypto'
import { existsSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Longer than the making takes: a mark older than this was left by a maker that died. */
const MARK_STALE_MS = 180_000
const QUIET = ['-Xlog:cds=off', '-Xlog:cds+dynamic=off']

/** Where the archive for these jars and this very java belongs; null when there is no java. */
export function classArchivePath(libs: string): string | null {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const java = join(folder, 'java')
    if (folder === '' || !existsSync(java)) continue
    const binary = realpathSync(java)
    const identity = createHash('sha256')
      .update(`${binary} ${statSync(binary).mtimeMs}`)
      .digest('hex')
      .slice(0, 12)
    return join(libs, `kafka-${identity}.jsa`)
  }
  return null
}

/** Flags for a JVM to use the archive, if it is there. */
export function archiveFlags(libs: string): readonly string[] {
  const archive = classArchivePath(libs)
  return archive !== null && existsSync(archive) ? [`-XX:SharedArchiveFile=${archive}`, ...QUIET] : []
}

/**
 * Makes the archive unless it is there or somebody is making it: `train` runs Kafka once with the given flags, from start
 * to end. A failure is swallowed: it costs speed only.
 */
export async function ensureClassArchive(
  libs: string,
  train: (flags: readonly string[]) => Promise<void>,
): Promise<void> {
  const archive = classArchivePath(libs)
  if (archive === null || existsSync(archive) || !setMark(`${archive}.making`)) return
  const draft = `${archive}.${process.pid}`
  try {
    await train([`-XX:ArchiveClassesAtExit=${draft}`, ...QUIET])
    renameSync(draft, archive)
  } catch {
    rmSync(draft, { force: true })
  } finally {
    rmSync(`${archive}.making`, { force: true })
  }
}

function setMark(mark: string): boolean {
  try {
    if (existsSync(mark) && Date.now() - statSync(mark).mtimeMs > MARK_STALE_MS) rmSync(mark, { force: true })
    writeFileSync(mark, String(process.pid), { flag: 'wx' })
    return true
  } catch {
    return false
  }
}
