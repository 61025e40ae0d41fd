// The demo's worker processes, by the name people see: worker-1, worker-2, and worker-3 which replaces a killed one.
import { join } from 'node:path'
import { startWorkerProcess, type WorkerProcess } from '@millrace/testkit'
import type { ClusterClient } from './cluster-client.ts'

export type FleetWorker = {
  readonly name: string
  /** The random id of this process in claims, leases and the API. */
  readonly id: string
  readonly process: WorkerProcess
  state: 'running' | 'frozen' | 'killed'
}

export class WorkerFleet {
  readonly #properties: Readonly<Record<string, string>>
  readonly #folder: string
  readonly #workers: FleetWorker[] = []
  #started = 0

  constructor(properties: Readonly<Record<string, string>>, folder: string) {
    this.#properties = properties
    this.#folder = folder
  }

  /** Starts one more worker and resolves when its REST API answers. */
  async add(cluster: ClusterClient, options: { signal: AbortSignal }): Promise<FleetWorker> {
    const name = `worker-${++this.#started}`
    const process = await startWorkerProcess(this.#properties, { name, dataDir: join(this.#folder, name) })
    try {
      const worker: FleetWorker = { name, id: await cluster.workerId(process.rest, options), process, state: 'running' }
      this.#workers.push(worker)
      return worker
    } catch (error) {
      await process.stop()
      throw error
    }
  }

  all(): readonly FleetWorker[] {
    return this.#workers
  }
  running(): readonly FleetWorker[] {
    return this.#workers.filter(worker => worker.state === 'running')
  }
  nameOf(id: string): string {
    return this.#workers.find(worker => worker.id === id)?.name ?? id
  }
  /** Workers that ended although nobody killed them. */
  crashed(): readonly FleetWorker[] {
    return this.#workers.filter(worker => worker.state !== 'killed' && worker.process.child.exit() !== null)
  }
  async stop(): Promise<void> {
    await Promise.all(this.#workers.map(worker => worker.process.stop()))
  }
}
