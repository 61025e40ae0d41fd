// `millrace journal inspect --config FILE`: what the journal says, in plain words. Reads Kafka alone, so it works while no worker does.
import {
  type ControlState,
  formatTopicPartition,
  type Incarnation,
  inspectKeySpace,
  type KeySpaceState,
  MillraceError,
  parseTopicPartition,
  Shutdown,
  type TopicPartition,
} from '@millrace/core'
import { explain, readConfig } from '../worker/command.ts'
import { openLog } from '../worker/log.ts'
import { Redactor } from '../worker/redactor.ts'
import { systemClock, systemRandom, systemTimers } from '../worker/system.ts'
import { type InspectedPartition, partitionLine, partitionStory } from './describe-partition.ts'
import { openJournal } from './open-journal.ts'

export type InspectOptions = {
  readonly config: string
  readonly set?: readonly string[]
  readonly connector?: string
  readonly partition?: string
  readonly json?: boolean
}

const EXIT = { ok: 0, notFound: 3 } as const

/** @returns the exit code */
export async function runJournalInspect(options: InspectOptions): Promise<number> {
  const redactor = new Redactor()
  const log = openLog(systemClock, redactor)
  log.levels.set('root', 'WARN')
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort(new Shutdown('Interrupted.')))
  try {
    const config = readConfig(options, log, redactor)
    await using stack = new AsyncDisposableStack()
    const system = { clock: systemClock, timers: systemTimers, random: systemRandom, logger: log.logger }
    const { control, journal } = await openJournal(config, system, stack, stop)
    const found = inspectAll(control, journal, options)
    process.stdout.write(redactor.text(shown(found, options)))
    return found.length === 0 ? EXIT.notFound : EXIT.ok
  } catch (error) {
    return explain(error, redactor, 'journal inspect')
  } finally {
    log.flush()
  }
}

export type FollowedJournal = {
  partitionsOf(incarnation: Incarnation): readonly TopicPartition[]
  peek(space: TopicPartition & { readonly incarnation: Incarnation }): KeySpaceState
}

/** Of the connector asked for, or of all; by connector, current incarnation first, then topic and partition. */
export function inspectAll(
  control: ControlState,
  journal: FollowedJournal,
  { connector: wanted, partition }: Pick<InspectOptions, 'connector' | 'partition'>,
): readonly InspectedPartition[] {
  const tp = partition === undefined ? null : parsePartition(partition)
  return incarnationsIn(control)
    .filter(({ connector }) => wanted === undefined || connector === wanted)
    .flatMap(each =>
      journal
        .partitionsOf(each.incarnation)
        .filter(known => tp === null || (known.topic === tp.topic && known.partition === tp.partition))
        .toSorted((a, b) => a.topic.localeCompare(b.topic) || a.partition - b.partition)
        .map(known => ({
          ...each,
          ...known,
          view: inspectKeySpace(journal.peek({ ...known, incarnation: each.incarnation })),
        })),
    )
}

type Known = { readonly connector: string; readonly incarnation: Incarnation; readonly isCurrent: boolean }

function incarnationsIn({ connectors, deleted }: ControlState): readonly Known[] {
  const known: Known[] = []
  for (const { name, incarnation, predecessors } of connectors.values()) {
    known.push({ connector: name, incarnation, isCurrent: true })
    for (const earlier of predecessors) known.push({ connector: name, incarnation: earlier, isCurrent: false })
  }
  for (const { name, incarnations } of deleted.values())
    for (const incarnation of incarnations) known.push({ connector: name, incarnation, isCurrent: false })
  return known.toSorted((a, b) => a.connector.localeCompare(b.connector))
}

function parsePartition(text: string): TopicPartition {
  if (/^[\w.-]+-\d+$/.test(text)) return parseTopicPartition(text)
  throw new MillraceError(
    'CONFIG_INVALID',
    'failPartition',
    `--partition ${text} is not topic-partition, as in orders-3.`,
  )
}

/** Whole stories of what was asked for, a line each of everything. */
export function shown(found: readonly InspectedPartition[], { connector, partition, json }: InspectOptions): string {
  if (json === true) return `${JSON.stringify(found, toJson, 2)}\n`
  if (found.length === 0) return `The journal knows nothing of ${namesOf({ connector, partition })}.\n`
  if (connector !== undefined || partition !== undefined) return `${found.map(partitionStory).join('\n\n')}\n`
  return `${found.map(partitionLine).join('\n')}\n\nMore of one: --connector NAME, --partition ${formatTopicPartition(found[0] as TopicPartition)}\n`
}

const namesOf = ({ connector, partition }: { connector: string | undefined; partition: string | undefined }): string =>
  [
    ...(partition === undefined ? [] : [`partition ${partition}`]),
    ...(connector === undefined ? [] : [`connector ${connector}`]),
  ].join(' of ') || 'any connector'

/** Offsets as decimal strings: JSON numbers end at 2^53. */
const toJson = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? value.toString() : value)
