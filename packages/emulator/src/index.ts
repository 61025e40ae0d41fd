// What other packages may use: the emulator as a command, and as an object for tests.
export { type RunningEmulator, startEmulator } from './emulator.ts'
export { type EmulatorOptions, UsageError } from './options.ts'
export { runEmulator } from './run.ts'
