// A service's own folder: removed by `remove`, or by the orphan guard when this process dies without saying goodbye.
import { mkdirSync, mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { guardFolder, keepFolder } from './orphan-guard.ts'

export type DataFolder = { readonly path: string; remove(): Promise<void> }

/** A fresh temporary folder; or `given`, which belongs to the caller and is never removed. */
export function dataFolder(service: string, given?: string): DataFolder {
  if (given !== undefined) {
    mkdirSync(given, { recursive: true })
    return { path: given, remove: async () => {} }
  }
  const path = mkdtempSync(join(tmpdir(), `millrace-${service}-`))
  guardFolder(path)
  return {
    path,
    remove: async () => {
      await rm(path, { recursive: true, force: true, maxRetries: 5 })
      keepFolder(path)
    },
  }
}
