// One worker process of the simulated cluster: the real Worker with its supervisors, partitions, lanes and claims, on ports that
// reach the shared twins over the simulated network. It may die before or after any durable step.
import { type ConnectorConfig, parseConnectorConfig } from '@millrace/config'
import {
  type ConnectorEntry,
  type ControlState,
  type DeadLetters,
  type KafkaOffset,
  kafkaOffset,
  type Logger,
  MillraceError,
  type PartitionAssignment,
  type PartitionReader,
  type Random,
  type RawConfig,
  type RecordSource,
  type TopicPartition,
  type WorkerId,
  type WriteStreams,
} from '@millrace/core'
import { type CoordinationTwin, Machine, type MachineOptions, neverAborted } from '@millrace/testkit'
import { ByteBudget, type ConnectorServices, type LostOffsetsAudit, Worker } from '@millrace/worker'
import { connectOver } from './append-port.ts'
import { CONNECTOR } from './connector.ts'
import { JournalPort } from './journal-port.ts'
import { ofLastVersion } from './last-version.ts'
import type { Member } from './member.ts'
import type { Mutant } from './mutants.ts'
import type { Stores } from './stores.ts'

export const LEASE_TTL_MS = 1_000
export const GRACEFUL_MS = 2_000
const OFFSET_FLUSH_MS = 5_000

export type ProcessOptions = {
  readonly logger: Logger
  readonly clock: MachineOptions
  /** Called before and after each durable step: the process may be killed there. */
  readonly onDurableStep: (machine: Machine, when: 'before' | 'after') => void
  readonly mutant: Mutant | null
  /** Of the last version, which neither writes nor reads that offsets were lost. */
  readonly isOld: boolean
}

export class Process {
  readonly name: string
  readonly machine: Machine
  readonly worker: Worker
  readonly journal: JournalPort
  readonly services: ConnectorServices
  readonly random: Random
  readonly budget: ByteBudget = new ByteBudget(1_000_000)
  readonly #stores: Stores
  readonly #lifetime = new AbortController()
  readonly #commands: (() => void)[] = []
  #generation = 0
  readonly #onDurableStep: ProcessOptions['onDurableStep']
  readonly #mutant: Mutant | null
  readonly #isOld: boolean

  /** In a cluster: what is beside the worker. */
  member: Member | null = null

  constructor(name: string, stores: Stores, redisOf: () => CoordinationTwin, options: ProcessOptions) {
    const { logger, onDurableStep, mutant, isOld, clock: clockOptions } = options
    this.name = name
    this.#stores = stores
    this.#onDurableStep = onDurableStep
    this.#mutant = mutant
    this.#isOld = isOld
    this.machine = new Machine(name, stores.scheduler, clockOptions)
    this.journal = new JournalPort(stores, this.machine, when => onDurableStep(this.machine, when))
    const { clock, timers } = this.machine
    const random = stores.chance.for(`process ${name}`)
    this.random = { nextUint32: () => random.nextUint32(), nextId: () => `${name}${random.nextId()}` }
    this.services = this.#services(redisOf)
    this.worker = new Worker({
      workerId: name as WorkerId,
      services: this.services,
      budget: this.budget,
      clock,
      timers,
      random: this.random,
      logger,
      leaseTtlMs: LEASE_TTL_MS,
      intentBytesMax: 100_000,
      lifetime: this.#lifetime.signal,
      gracefulMs: GRACEFUL_MS,
      autoRestart: { isEnabled: true, backoffMs: 500, backoffMaxMs: 5_000 },
      offsetFlushMs: OFFSET_FLUSH_MS,
    })
    void this.worker.run({ signal: this.#lifetime.signal })
  }

  get lifetime(): AbortSignal {
    return this.#lifetime.signal
  }
  get isAlive(): boolean {
    return this.machine.isAlive
  }
  get isAwake(): boolean {
    return this.machine.isAlive && !this.machine.isFrozen
  }

  /** Whether it works on the partition, as far as it knows. */
  isAt({ partition }: TopicPartition): boolean {
    return this.worker.reports().some(report => report.partition === partition)
  }

  /** The newest it has heard of stays, as versions only rise. */
  setControl(control: ControlState, delayMs: number): void {
    const generation = control.connectors.get(CONNECTOR)?.configGeneration ?? 0
    this.machine.deliver(delayMs, `${this.name} control`, () => {
      if (generation <= this.#generation) return
      this.#generation = generation
      this.worker.setControl(control)
    })
  }
  start(assignment: PartitionAssignment): void {
    this.#command('start', () => this.worker.start(assignment))
  }
  drain(assignment: PartitionAssignment): void {
    this.#command('drain', () => void this.worker.drain(assignment))
  }

  /** In the order they were given. */
  #command(what: string, run: () => void): void {
    this.#commands.push(run)
    this.machine.deliver(0, `${this.name} ${what}`, () => this.#commands.shift()?.())
  }

  #services(redisOf: () => CoordinationTwin): ConnectorServices {
    const { bigQuery, groupOffsets, toKafka, toRedis } = this.#stores
    const { machine } = this
    const { journal } = this
    const streams = this.#mutant?.streams?.(this.#streams(), bigQuery) ?? this.#streams()
    const letterPort = this.#letters()
    const log = this.#isOld ? ofLastVersion(journal, this.#stores, this.#mutant?.misreadsNewer === true) : journal
    return {
      journal: this.#mutant?.journal?.(log) ?? log,
      source: this.#source(),
      groupOffsets: {
        committed: (group, tps, { signal }) =>
          toKafka.call(
            machine,
            'committed',
            () => groupOffsets.committed(group, tps, { signal: neverAborted() }),
            signal,
          ),
        commit: (group, positions, { signal }) =>
          toKafka.call(
            machine,
            'commit',
            () => groupOffsets.commit(group, positions, { signal: neverAborted() }),
            signal,
          ),
        forget: (group, tps, { signal }) =>
          toKafka.call(machine, 'forget', () => groupOffsets.forget(group, tps, { signal: neverAborted() }), signal),
        hasLiveMembers: (group, { signal }) =>
          toKafka.call(
            machine,
            'members',
            () => groupOffsets.hasLiveMembers(group, { signal: neverAborted() }),
            signal,
          ),
      },
      deadLetters: this.#mutant?.deadLetters?.(letterPort) ?? letterPort,
      permits: {
        take: (kind, { signal }) =>
          toRedis.call(machine, 'permit', () => redisOf().permits.take(kind, { signal: neverAborted() }), signal),
        report: outcome => redisOf().permits.report(outcome),
      },
      auditLostOffsets: this.#mutant?.audit?.(this.#audit()) ?? this.#audit(),
      parseConfig: entry => (this.#isOld ? { ...parsed(entry), offsetLostPolicy: 'fail' } : parsed(entry)),
      converterSettings: entry => entry.config,
      bigQuery: async () => ({ tables: this.#tables(), streams, close: () => {} }),
      genesis: (incarnation, options) => journal.readGenesis(incarnation, options),
    }
  }

  #audit(): LostOffsetsAudit {
    const { checker, toAudit } = this.#stores
    return ({ incarnation, topic, partition, from, to }, { signal }) => {
      const range = { from: kafkaOffset(from), to: kafkaOffset(to) }
      const tell = async (): Promise<void> => checker.lossAudited(incarnation, { topic, partition }, range)
      return toAudit.call(this.machine, 'lost', tell, signal)
    }
  }

  #letters(): DeadLetters {
    const { letters, toKafka, toLetters } = this.#stores
    const { machine } = this
    return {
      ensureTopic: (queue, { signal }) =>
        toKafka.call(machine, 'topic', () => letters.ensureTopic(queue, { signal: neverAborted() }), signal),
      produce: (queue, some, { signal }) =>
        toLetters.call(machine, 'produce', () => letters.produce(queue, some, { signal: neverAborted() }), signal),
      find: (queue, tp, offsets, { signal }) =>
        toKafka.call(machine, 'find', () => letters.find(queue, tp, offsets, { signal: neverAborted() }), signal),
    }
  }

  #tables(): ConnectorTables {
    const { bigQuery, toBigQuery } = this.#stores
    const { machine } = this
    return {
      get: (table, { signal }) =>
        toBigQuery.call(machine, 'table', () => bigQuery.tables.get(table, { signal: neverAborted() }), signal),
      create: (table, spec, { signal }) =>
        toBigQuery.call(
          machine,
          'createTable',
          () => bigQuery.tables.create(table, spec, { signal: neverAborted() }),
          signal,
        ),
    }
  }

  #streams(): WriteStreams {
    const { bigQuery, toBigQuery } = this.#stores
    const { writeStreams } = bigQuery
    const { machine } = this
    return {
      create: (table, { signal }) =>
        toBigQuery.call(machine, 'create', () => writeStreams.create(table, { signal: neverAborted() }), signal),
      exists: (stream, { signal }) =>
        toBigQuery.call(machine, 'exists', () => writeStreams.exists(stream, { signal: neverAborted() }), signal),
      finalize: (stream, { signal }) =>
        toBigQuery.call(machine, 'finalize', () => writeStreams.finalize(stream, { signal: neverAborted() }), signal),
      connect: (stream, schema, listener) =>
        connectOver(this.#stores, machine, when => this.#onDurableStep(machine, when), stream, schema, listener),
    }
  }

  #source(): RecordSource {
    const { topics, toKafka } = this.#stores
    const { machine } = this
    return {
      open: (tp, position) => {
        const open = (at: KafkaOffset): PartitionReader => this.#reader(topics.open(tp, at))
        return this.#mutant?.reader?.(open, position, topics, tp) ?? open(position)
      },
      offsets: (tps, at, { signal }) =>
        toKafka.call(machine, 'offsets', () => topics.offsets(tps, at, { signal: neverAborted() }), signal),
    }
  }

  #reader(inner: PartitionReader): PartitionReader {
    const { toKafka } = this.#stores
    const { machine } = this
    return {
      read: ({ signal }) => toKafka.call(machine, 'fetch', () => inner.read({ signal }), signal),
      get nextKafkaOffset() {
        return inner.nextKafkaOffset
      },
      get endKafkaOffset() {
        return inner.endKafkaOffset
      },
      get trouble() {
        return inner.trouble
      },
      close: () => inner.close(),
    }
  }
}

type ConnectorTables = Awaited<ReturnType<ConnectorServices['bigQuery']>>['tables']

/** Parsing is pure, and thousands of runs share a few configs; by content, for the config topic makes new objects. At most 20. */
const PARSED = new Map<string, ConnectorConfig>()
const CONTENT = new WeakMap<RawConfig, string>()

function parsed({ config }: ConnectorEntry): ConnectorConfig {
  const content = CONTENT.get(config) ?? JSON.stringify(config)
  CONTENT.set(config, content)
  const known = PARSED.get(content)
  if (known !== undefined) return known
  const parse = parseConnectorConfig(config)
  if (!parse.ok) throw new MillraceError('CONFIG_INVALID', 'failPartition', JSON.stringify(parse.errors))
  PARSED.set(content, parse.config)
  return parse.config
}
