// Settings of V8's collector for a process that is an emulator and nothing else.
// Requests are megabytes outside of V8's heap, read and forgotten by the thousand, while the heap itself stays at some 20 MB. By
// default V8 starts a marking of the heap, on helper threads, every 64 MB of such memory: measured, half of the emulator's CPU.
import { setFlagsFromString } from 'node:v8'

/** The V8 of Node 24. Others may not know the flag, and say so on stderr. */
const KNOWS_GLOBAL_LIMIT = /^13\.6\./

/** For the command only: a library has no say in its host's collector. */
export function collectForThroughput(): void {
  // A small heap is marked in a few milliseconds at once; step by step it takes several times that.
  setFlagsFromString('--no-incremental-marking')
  // Memory outside of the heap counts as the heap does, instead of every 64 MB by itself.
  if (KNOWS_GLOBAL_LIMIT.test(process.versions.v8)) setFlagsFromString('--external-memory-accounted-in-global-limit')
}
