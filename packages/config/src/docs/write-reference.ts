// Writes docs/reference/*.md. Run it after changing a definition: node packages/config/src/docs/write-reference.ts
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connectorReference, workerReference } from './reference.ts'

const directory = join(import.meta.dirname, '../../../../docs/reference')
mkdirSync(directory, { recursive: true })
writeFileSync(join(directory, 'connector-config.md'), connectorReference())
writeFileSync(join(directory, 'worker-config.md'), workerReference())
