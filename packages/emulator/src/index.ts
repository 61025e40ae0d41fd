// What other packages may use: the emulator as a command, and as an object for tests.
export type { Behavior, BehaviorPatch } from './behavior.ts'
export type { Clock } from './clock.ts'
export { type RunningEmulator, startEmulator } from './emulator.ts'
export { type EmulatorOptions, UsageError } from './options.ts'
export type { QuotaPatch, QuotaSettings } from './quotas/quota-settings.ts'
export { runEmulator } from './run.ts'
