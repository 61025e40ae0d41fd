// The very same worker with a journal that acknowledges at once and writes nothing: what the pipeline costs without it.
// For measuring only, and only here: such a worker loses what it knows when it ends, and promises nothing.
import {
  applyRecord,
  EMPTY_KEY_SPACE,
  formatKeySpace,
  type Genesis,
  type Incarnation,
  type JournalRecord,
  type KeySpace,
  type KeySpaceState,
  recordKey,
} from '@millrace/core'
import { runWorkerCommand } from '../../../packages/cli/src/worker/command.ts'
import { ADAPTERS, type Adapters } from '../../../packages/cli/src/worker/run-worker.ts'

const spaces = new Map<string, KeySpaceState>()
const genesisOf = new Map<Incarnation, Genesis>()
let offset = 0n

const stateOf = (space: KeySpace): KeySpaceState => spaces.get(formatKeySpace(space)) ?? EMPTY_KEY_SPACE

/** Claims, Opens and the like steer the pipeline and are kept; Intents are only ever read by a recovery. */
function keep(space: KeySpace, record: JournalRecord): void {
  if (record.kind === 'intent') return
  spaces.set(formatKeySpace(space), applyRecord(stateOf(space), recordKey(record), record, offset++))
}

const openKafkaSide: Adapters['openKafkaSide'] = async (...args) => {
  const kafka = await ADAPTERS.openKafkaSide(...args)
  const { journal } = kafka
  journal.append = async (space, records) => {
    for (const record of records) keep(space, record)
  }
  journal.delete = async (space, keys) => {
    let state = stateOf(space)
    for (const key of keys) state = applyRecord(state, key, null, offset++)
    spaces.set(formatKeySpace(space), state)
  }
  journal.readToEnd = async space => stateOf(space)
  journal.peek = stateOf
  journal.writeGenesis = async (incarnation, genesis) => {
    genesisOf.set(incarnation, genesis)
  }
  journal.readGenesis = async incarnation => genesisOf.get(incarnation) ?? null
  return kafka
}

const config = process.argv[process.argv.indexOf('--config') + 1]
if (config === undefined) throw new Error('--config FILE')
process.exit(await runWorkerCommand({ config }, { ...ADAPTERS, openKafkaSide }))
