// Kills what this process started and removes its data folders when this process is gone for any reason, SIGKILL included:
// a small shell in a session of its own holds the list and acts when its stdin reaches the end, which is when we die.
import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'

const SCRIPT = `
trap '' INT TERM HUP
pids=
while read -r verb what; do
  case "$verb" in
    kill) pids="$pids $what" ;;
    spare) left=; for pid in $pids; do [ "$pid" = "$what" ] || left="$left $pid"; done; pids="$left" ;;
    remove) set -- "$@" "$what" ;;
    keep) count=$#; while [ "$count" -gt 0 ]; do [ "$1" = "$what" ] || set -- "$@" "$1"; shift; count=$((count - 1)); done ;;
  esac
done
for pid in $pids; do kill -KILL "$pid" 2>/dev/null; done
[ $# -gt 0 ] && sleep 0.2
for folder in "$@"; do rm -rf -- "$folder"; done
`

let guard: ChildProcess | null = null

function tell(line: string): void {
  if (guard === null) {
    guard = spawn('/bin/sh', ['-c', SCRIPT, 'millrace-orphan-guard'], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    })
    guard.unref()
    // The handle must not keep us alive, and a guard that was killed must not take us down.
    const stdin = guard.stdin as unknown as Socket
    stdin.unref()
    stdin.on('error', () => {})
  }
  guard.stdin?.write(`${line}\n`)
}

/** From now on `pid` dies with this process. Undo with `spareProcess` as soon as it has exited: pids are reused. */
export const guardProcess = (pid: number): void => tell(`kill ${pid}`)
export const spareProcess = (pid: number): void => tell(`spare ${pid}`)
/** From now on `folder` is removed when this process is gone. */
export const guardFolder = (folder: string): void => tell(`remove ${folder}`)
export const keepFolder = (folder: string): void => tell(`keep ${folder}`)
