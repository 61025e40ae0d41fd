// Groups what arrives while the storage is busy into one store() and answers when it is done.
// C1 nothing is answered that speaks of state the storage does not have yet. C2 answers leave in the order in which they were asked for.
import type { Change, Storage, Work } from '../storage/storage.ts'
import type { StreamState } from './stream-state.ts'

type Group = {
  readonly streams: Map<string, StreamState>
  readonly changes: { change: Change; settle: (error?: Error) => void }[]
  readonly answers: (() => void)[]
  bytes: number
}

const newGroup = (): Group => ({ streams: new Map(), changes: [], answers: [], bytes: 0 })

/** Request bytes accepted and not yet stored, beyond which connections stop reading: columns take about as much again. */
const PENDING_BYTES_MAX: number = 64 * 1024 * 1024

export class Committer {
  private readonly storage: Storage
  private readonly onBroken: (error: Error) => void
  private gathering: Group = newGroup()
  private storing: Group | undefined
  private isRunning = false
  private waiters: (() => void)[] = []

  constructor(storage: Storage, onBroken: (error: Error) => void) {
    this.storage = storage
    this.onBroken = onBroken
  }

  /** Rows were written by a RowWriter; `stream`, as it is since, is absent for the default stream. */
  rowsWritten(bytes: number, stream?: StreamState): void {
    this.gathering.bytes += bytes
    if (stream) this.gathering.streams.set(stream.name, stream)
    this.start()
  }

  /** Resolves when the change is stored. */
  change(change: Change): Promise<void> {
    return new Promise((resolve, reject) => {
      this.gathering.changes.push({ change, settle: error => (error ? reject(error) : resolve()) })
      this.start()
    })
  }

  /** Calls `answer` when everything before this call is stored: at once when it is. */
  whenStored(answer: () => void): void {
    if (this.hasWork(this.gathering)) this.gathering.answers.push(answer)
    else if (this.storing) this.storing.answers.push(answer)
    else answer()
  }

  /** As `whenStored`, as a promise. */
  stored(): Promise<void> {
    return new Promise(resolve => this.whenStored(resolve))
  }

  /** Resolves when everything asked for so far is stored and answered. */
  async idle(): Promise<void> {
    while (this.isRunning) await new Promise(resolve => setImmediate(resolve))
  }

  get isFull(): boolean {
    return this.gathering.bytes + (this.storing?.bytes ?? 0) > PENDING_BYTES_MAX
  }

  /** Calls `resume` once when there is room again. */
  onRoom(resume: () => void): void {
    this.waiters.push(resume)
  }

  private hasWork(group: Group): boolean {
    return group.bytes > 0 || group.changes.length > 0 || group.answers.length > 0
  }

  private start(): void {
    if (this.isRunning) return
    this.isRunning = true
    // A turn's worth of requests becomes one group.
    setImmediate(() => void this.run())
  }

  private async run(): Promise<void> {
    try {
      while (this.hasWork(this.gathering)) {
        await this.storage.store((): Work => {
          this.storing = this.gathering
          this.gathering = newGroup()
          return this.storing
        })
        const { answers } = this.storing!
        this.storing = undefined
        for (const answer of answers) answer()
        const { waiters } = this
        this.waiters = []
        for (const resume of waiters) resume()
        // Let arrived requests in, so that the next group has them.
        if (this.hasWork(this.gathering)) await new Promise(resolve => setImmediate(resolve))
      }
      this.isRunning = false
    } catch (error) {
      this.onBroken(error as Error)
    }
  }
}
