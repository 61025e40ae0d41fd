#!/usr/bin/env node
// `npx millrace emulator …` of the package that `npm pack` makes. In a clone the command is bin/millrace at its root.
import { existsSync } from 'node:fs'

const NODE_MAJOR = 20
const EXIT_USAGE = 2
const PARENT_CHECK_MS = 250
const command = process.argv[2]

if (existsSync(new URL('../src/main.ts', import.meta.url)))
  fail('This is a clone of the repository: start the emulator with bin/millrace emulator, at its root.')
else if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR)
  fail(`The emulator needs Node >= ${NODE_MAJOR}; this is ${process.version}.`)
else if (command === 'emulator') {
  // The command after this one reads its flags where it would as a program of its own.
  process.argv.splice(2, 1)
  if (process.env.npm_command === 'exec') endWithParent()
  await import('../node-20.js')
  await import('../dist/main.js')
} else fail('Usage: millrace emulator [flags]; millrace emulator --help lists them.')

/** npx starts us through a shell that does not pass SIGTERM on: killing npx ends that shell and would leave us behind. */
function endWithParent() {
  const parent = process.ppid
  setInterval(() => process.ppid === parent || process.kill(process.pid, 'SIGTERM'), PARENT_CHECK_MS).unref()
}

function fail(sentence) {
  process.stderr.write(`${sentence}\n`)
  process.exitCode = EXIT_USAGE
}
