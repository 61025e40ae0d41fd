// What clients do with an answer, as strictly as the strictest of them: a shape they could not decode fails the test.
import assert from 'node:assert/strict'

export type Obj = Readonly<Record<string, unknown>>

export function object(value: unknown): Obj {
  assert.ok(typeof value === 'object' && value !== null && !Array.isArray(value), `an object: ${JSON.stringify(value)}`)
  return value as Obj
}

export function list(value: unknown): readonly unknown[] {
  assert.ok(Array.isArray(value), `a list: ${JSON.stringify(value)}`)
  return value
}

/** Go's and Java's `map[string]string`: one number in it breaks the whole answer. */
export function stringMap(value: unknown): Readonly<Record<string, string>> {
  const map = object(value)
  for (const [key, entry] of Object.entries(map)) assert.equal(typeof entry, 'string', `${key} is a string`)
  return map as Readonly<Record<string, string>>
}

const CONNECTOR_STATES: ReadonlySet<string> = new Set([
  'UNASSIGNED',
  'RUNNING',
  'PAUSED',
  'STOPPED',
  'FAILED',
  'RESTARTING',
])
const TASK_STATES: ReadonlySet<string> = new Set(['UNASSIGNED', 'RUNNING', 'PAUSED', 'FAILED', 'RESTARTING'])

export type ReadStatus = {
  readonly name: string
  readonly state: string
  readonly tasks: readonly { readonly id: number; readonly state: string; readonly trace?: string }[]
}

/** R4: exact keys, upper-case states of the enums, worker_id always, trace exactly when FAILED, nothing nested. */
export function status(value: unknown): ReadStatus {
  const read = object(value)
  assert.deepEqual(Object.keys(read).sort(), ['connector', 'name', 'tasks', 'type'])
  assert.equal(read.type, 'sink')
  const connector = stringMap(read.connector)
  part(connector, CONNECTOR_STATES, [])
  const tasks = list(read.tasks).map(task => {
    const shape = object(task)
    part(shape, TASK_STATES, ['id'])
    assert.ok(Number.isSafeInteger(shape.id))
    return shape as ReadStatus['tasks'][number]
  })
  assert.deepEqual(
    tasks.map(task => task.id),
    tasks.map(task => task.id).sort((a, b) => a - b),
    'tasks by id',
  )
  return { name: String(read.name), state: connector.state ?? '', tasks }
}

function part(shape: Obj, states: ReadonlySet<string>, more: readonly string[]): void {
  const trace = shape.state === 'FAILED' ? ['trace'] : []
  assert.deepEqual(Object.keys(shape).sort(), [...more, 'state', 'worker_id', ...trace].sort(), JSON.stringify(shape))
  assert.ok(states.has(String(shape.state)), String(shape.state))
  assert.match(String(shape.worker_id), /^[^\s:]+:\d+$/)
  if (trace.length > 0) assert.ok(String(shape.trace).length > 0)
}

export type ReadInfo = {
  readonly name: string
  readonly config: Readonly<Record<string, string>>
  readonly tasks: readonly { readonly connector: string; readonly task: number }[]
}

export function info(value: unknown): ReadInfo {
  const read = object(value)
  assert.deepEqual(Object.keys(read).sort(), ['config', 'name', 'tasks', 'type'])
  assert.equal(read.type, 'sink')
  const config = stringMap(read.config)
  assert.equal(config.name, read.name, 'the name is in the config')
  for (const task of list(read.tasks)) {
    const id = object(task)
    assert.deepEqual(Object.keys(id).sort(), ['connector', 'task'])
    assert.ok(Number.isSafeInteger(id.task))
  }
  return read as unknown as ReadInfo
}

const TYPES: ReadonlySet<string> = new Set('BOOLEAN STRING INT SHORT LONG DOUBLE LIST CLASS PASSWORD'.split(' '))
const WIDTHS: ReadonlySet<string> = new Set(['NONE', 'SHORT', 'MEDIUM', 'LONG'])
const IMPORTANCES: ReadonlySet<string> = new Set(['HIGH', 'MEDIUM', 'LOW'])

/** A definition as kafbat (enums), AKHQ (names) and Redpanda Console (forms) read it. */
export function definition(value: unknown): Obj {
  const read = object(value)
  assert.deepEqual(
    Object.keys(read).sort(),
    [
      ...['default_value', 'dependents', 'display_name', 'documentation', 'group', 'importance', 'name', 'order'],
      ...['required', 'type', 'width'],
    ],
    String(read.name),
  )
  assert.ok(TYPES.has(String(read.type)) && WIDTHS.has(String(read.width)), JSON.stringify(read))
  assert.ok(IMPORTANCES.has(String(read.importance)))
  assert.equal(typeof read.required, 'boolean')
  assert.ok(read.default_value === null || typeof read.default_value === 'string')
  assert.ok(Number.isSafeInteger(read.order))
  list(read.dependents)
  return read
}

export type ReadValidation = { readonly errorCount: number; readonly errorsOf: (key: string) => readonly string[] }

export function validation(value: unknown): ReadValidation {
  const read = object(value)
  assert.deepEqual(Object.keys(read).sort(), ['configs', 'error_count', 'groups', 'name'])
  const values = list(read.configs).map(each => {
    const entry = object(each)
    assert.deepEqual(Object.keys(entry).sort(), ['definition', 'value'])
    if (entry.definition !== null) definition(entry.definition)
    const shown = object(entry.value)
    assert.deepEqual(Object.keys(shown).sort(), ['errors', 'name', 'recommended_values', 'value', 'visible'])
    assert.equal(typeof shown.visible, 'boolean')
    assert.ok(shown.value === null || typeof shown.value === 'string')
    for (const text of [...list(shown.errors), ...list(shown.recommended_values)]) assert.equal(typeof text, 'string')
    return shown as { name: string; errors: readonly string[] }
  })
  const errorCount = Number(read.error_count)
  assert.equal(
    values.reduce((sum, { errors }) => sum + errors.length, 0),
    errorCount,
  )
  return { errorCount, errorsOf: key => values.find(({ name }) => name === key)?.errors ?? [] }
}

export function error(value: unknown, code: number): string {
  const read = object(value)
  assert.deepEqual(Object.keys(read).sort(), ['error_code', 'message'])
  assert.equal(read.error_code, code)
  assert.ok(typeof read.message === 'string' && read.message.length > 0, 'clients call methods on the message')
  return read.message
}
