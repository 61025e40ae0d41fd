// The front door of the package for Node: src/ in a clone, dist/ where `npm pack` left it out. Exports what src/index.ts does.
import './node-20.js'
import { existsSync } from 'node:fs'

const isClone = existsSync(new URL('src/index.ts', import.meta.url))
const emulator = await import(isClone ? './src/index.ts' : './dist/index.js')

export const { startEmulator, runEmulator, UsageError } = emulator
