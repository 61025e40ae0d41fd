// Who works on what: partitions over tasks, tasks over workers, both sticky and balanced by weight. Pure and deterministic:
// the same input gives the same answer, and the answer given back as `previous` gives itself, so that nothing moves idly.
import type { TopicPartition, WorkerId } from '../ids.ts'
import { formatTopicPartition } from '../ids.ts'
import type { PartitionAssignment, TaskAssignment } from '../ports/coordination.ts'
import { balance, countOf, type Group, groupOf, type Item, lightest, place } from './balance.ts'
import { partitionResource, type Weights, weightsFrom } from './weights.ts'

export type TasksMax = number | 'auto'
export type AssignableConnector = {
  readonly name: string
  readonly incarnation: string
  readonly tasksMax: TasksMax
  readonly partitions: readonly TopicPartition[]
}
/** The parts of an Assignment that are computed; generation and leader are the coordinator's. */
export type Placement = {
  readonly tasks: readonly TaskAssignment[]
  readonly partitions: readonly PartitionAssignment[]
}
export const EMPTY_PLACEMENT: Placement = { tasks: [], partitions: [] }

export type AssignmentInput = {
  readonly members: readonly WorkerId[]
  readonly connectors: readonly AssignableConnector[]
  readonly previous: Placement
  /** Rows/s or bytes/s by `partitionResource`; partitions without one count as average. */
  readonly loads: ReadonlyMap<string, number>
  /** Absent workers whose tasks still wait for them (`scheduled.rebalance.max.delay.ms`): they keep, but gain nothing. */
  readonly lingering?: ReadonlySet<WorkerId>
}

/** How many tasks `auto` makes per worker, at most. */
const AUTO_TASKS_PER_WORKER = 4
/** Weight of the task itself: spreads empty tasks, too small to outweigh a partition. A power of two keeps sums exact. */
const TASK_WEIGHT = 1 / 1024

/** `tasks.max=N` gives exactly N; `auto` is min(partitions, 4 × workers), and one for a connector that has no partition yet. */
export function taskCount(tasksMax: TasksMax, partitionCount: number, workerCount: number): number {
  return tasksMax === 'auto' ? Math.max(1, Math.min(partitionCount, AUTO_TASKS_PER_WORKER * workerCount)) : tasksMax
}

type Task = {
  readonly connector: AssignableConnector
  readonly partitions: Group<TopicPartition>
  taskId: number
  worker: WorkerId | null
}

/** Computes the next placement. Without members nobody can own anything: the answer is empty. */
export function assignPartitions(input: AssignmentInput): Placement {
  if (input.members.length === 0) return EMPTY_PLACEMENT
  const members = [...new Set(input.members)].sort()
  const keepers = new Set<WorkerId>([...members, ...(input.lingering ?? [])])
  const connectors = [...input.connectors].sort((a, b) => compare(a.name, b.name))
  const resources = connectors.flatMap(c => c.partitions.map(tp => partitionResource(c.name, tp)))
  const weights = weightsFrom(input.loads, resources)
  const tasks = connectors.flatMap(connector => planTasks(connector, input, keepers, weights))
  spreadTasks(tasks, members, weights)
  return toPlacement(tasks)
}

/** Partitions over the tasks of one connector. Tasks keep the worker they had, or have none yet. */
function planTasks(
  connector: AssignableConnector,
  input: AssignmentInput,
  keepers: ReadonlySet<WorkerId>,
  weights: Weights,
): Task[] {
  const tasks = keepTasks(connector, input, keepers)
  const isOpen = (task: Task): boolean => task.worker === null || !input.lingering?.has(task.worker)
  const open = tasks.some(isOpen) ? tasks.filter(isOpen) : tasks
  const groups = open.map(task => task.partitions)
  const homes = new Map(previousOf(connector, input.previous.partitions).map(p => [formatTopicPartition(p), p]))
  const taskById = new Map(tasks.map(task => [task.partitions.name, task]))
  const homeless: { tp: TopicPartition; weight: number; worker: WorkerId | null }[] = []
  for (const tp of [...connector.partitions].sort(comparePartitions)) {
    const home = homes.get(formatTopicPartition(tp))
    const task = home && taskById.get(String(home.taskId))
    const weight = weights.of(partitionResource(connector.name, tp))
    if (task) place(task.partitions, { value: tp, weight, cost: 1, kind: connector.name })
    else homeless.push({ tp, weight, worker: home?.worker ?? null })
  }
  homeless.sort((a, b) => b.weight - a.weight)
  for (const { tp, weight, worker } of homeless) {
    const stays = (group: Group<TopicPartition>): number => (taskById.get(group.name)!.worker === worker ? 0 : 1)
    const group = lightest(groups, worker === null ? undefined : stays)
    const isRunningThere = worker !== null && stays(group) === 0
    place(group, { value: tp, weight, cost: isRunningThere ? 1 : 0, kind: connector.name })
  }
  balance(groups, weights)
  return tasks
}

/**
 * Exactly `taskCount` tasks, as many as possible with their worker. When there are too many, those of departed workers go
 * first, then those of the workers with most tasks; a survivor whose number is too high takes a free one, which only relabels
 * its partitions. A task's group is named by the *previous* number, under which its partitions look for it.
 */
function keepTasks(connector: AssignableConnector, input: AssignmentInput, keepers: ReadonlySet<WorkerId>): Task[] {
  const count = taskCount(connector.tasksMax, connector.partitions.length, keepers.size)
  const previous = previousOf(connector, input.previous.tasks).sort((a, b) => a.taskId - b.taskId)
  let kept: Task[] = previous.map(({ taskId, worker }) => ({
    connector,
    partitions: groupOf(String(taskId)),
    taskId,
    worker: keepers.has(worker) ? worker : null,
  }))
  while (kept.length > count) {
    const excess = mostExpendable(kept)
    kept = kept.filter(task => task !== excess)
  }
  const taken = new Set(kept.map(task => task.taskId).filter(id => id < count))
  const free = Array.from({ length: count }, (_, id) => id).filter(id => !taken.has(id))
  for (const task of kept) if (task.taskId >= count) task.taskId = free.shift()!
  for (const taskId of free) kept.push({ connector, partitions: groupOf(`new ${taskId}`), taskId, worker: null })
  return kept.sort((a, b) => a.taskId - b.taskId)
}

function mostExpendable(tasks: readonly Task[]): Task {
  const counts = new Map<WorkerId | null, number>([[null, Number.POSITIVE_INFINITY]])
  for (const { worker } of tasks) counts.set(worker, (counts.get(worker) ?? 0) + 1)
  return tasks.reduce((worst, task) => (counts.get(task.worker)! >= counts.get(worst.worker)! ? task : worst))
}

/** Tasks over workers: those without a worker first (heaviest first, to the lightest), then what is worth moving. */
function spreadTasks(tasks: readonly Task[], members: readonly WorkerId[], weights: Weights): void {
  const groups = new Map(members.map(worker => [worker, groupOf<Task>(worker)]))
  const all = [...groups.values()]
  const itemOf = (task: Task, cost: number): Item<Task> => ({
    value: task,
    weight: TASK_WEIGHT + task.partitions.load,
    cost,
    kind: task.connector.name,
  })
  for (const task of tasks) {
    const group = task.worker === null ? undefined : groups.get(task.worker)
    if (group) place(group, itemOf(task, task.partitions.items.length))
  }
  const orphans = tasks.filter(task => task.worker === null).sort((a, b) => b.partitions.load - a.partitions.load)
  for (const task of orphans) {
    const group = lightest(all, candidate => countOf(candidate, task.connector.name))
    place(group, itemOf(task, 0))
  }
  balance(all, weights)
  for (const [worker, group] of groups) for (const item of group.items) item.value.worker = worker
}

function toPlacement(tasks: readonly Task[]): Placement {
  const partitions = tasks.flatMap(({ connector, partitions, taskId, worker }) =>
    partitions.items.map(({ value: tp }) => ({
      connector: connector.name,
      incarnation: connector.incarnation,
      topic: tp.topic,
      partition: tp.partition,
      taskId,
      worker: worker!,
    })),
  )
  return {
    tasks: tasks.map(({ connector, taskId, worker }) => ({
      connector: connector.name,
      incarnation: connector.incarnation,
      taskId,
      worker: worker!,
    })),
    partitions: partitions.sort((a, b) => compare(a.connector, b.connector) || comparePartitions(a, b)),
  }
}

const previousOf = <T extends { connector: string; incarnation: string }>(
  c: AssignableConnector,
  all: readonly T[],
): T[] => all.filter(one => one.connector === c.name && one.incarnation === c.incarnation)

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
const comparePartitions = (a: TopicPartition, b: TopicPartition): number =>
  compare(a.topic, b.topic) || a.partition - b.partition
