// A connector that does not get on says why, and gets well by itself: BigQuery that does not answer, then Kafka that is gone.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ask, connectorConfig, range, Stage } from './support/stage.ts'

type Reason = { readonly code: string; readonly stage: string; readonly partition: number; readonly fix: string }
type Health = { readonly health: string; readonly state: string; readonly reasons: readonly Reason[] }

const STALL_MS = 2_000
let stage: Stage
before(async () => {
  stage = await Stage.open()
  await stage.startWorker({ 'stall.detection.ms': String(STALL_MS) })
})
after(() => stage[Symbol.asyncDispose]())

const health = async (name: string): Promise<Health> =>
  (await stage.rest('GET', `/api/v1/connectors/${name}/health`)).body
const reaches = (name: string, verdict: string): Promise<Health> =>
  stage.until(`${name} is ${verdict}`, async () => {
    const found = await health(name)
    return found.health === verdict ? found : null
  })
const told = (pattern: RegExp): number =>
  stage
    .logs()
    .split('\n')
    .filter(line => pattern.test(line)).length

test('a stall has a name, /health tells of Kafka, and both are well again when it is over', async () => {
  const name = stage.unique('stall')
  await stage.createTopic(name, 4)
  await stage.createTable(name)
  await stage.createConnector(name, connectorConfig(name))
  await stage.untilRunning(name, 4)
  await stage.produceRows(name, range(0, 40), 4)
  await stage.untilRows(name, 40)
  assert.equal((await health(name)).health, 'OK')
  const [audited] = await stage.consume('e2e-audit', 1)
  const { connector, status, changes } = JSON.parse(String(audited?.value))
  assert.deepEqual([connector, status, changes[0].outcome], [name, 201, 'written'], 'the audit topic has the create')

  await stage.fault({ method: 'AppendRows', effect: 'delayReply', delayMs: STALL_MS * 2, times: 1 })
  await stage.produceRows(name, range(40, 44), 4)
  const slow = await reaches(name, 'STALLED')
  assert.equal(slow.state, 'RUNNING', 'Connect’s state does not say it')
  assert.deepEqual(
    slow.reasons.map(({ code, stage }) => [code, stage]),
    [['NO_PROGRESS', 'appending']],
    'one partition has lag',
  )
  assert.match(slow.reasons[0]?.fix ?? '', /stage/)
  await reaches(name, 'OK')

  await stage.kafka.stopBroker(0, 'SIGKILL')
  const cut = await reaches(name, 'STALLED')
  assert.deepEqual(new Set(cut.reasons.map(({ code }) => code)), new Set(['KAFKA_UNREACHABLE']), JSON.stringify(cut))
  assert.equal(cut.reasons.length, 4)
  const rest = stage.alive[0]?.rest
  const sick = await stage.until('/health is 500', async () => {
    const answer = await ask('GET', `${rest}/health`)
    return answer.status === 500 ? answer : null
  })
  assert.match(sick.text, /KAFKA_UNREACHABLE for \d+ s: /)
  await stage.kafka.startBroker(0)
  await reaches(name, 'OK')
  await stage.until('/health is 200', async () => ((await ask('GET', `${rest}/health`)).status === 200 ? true : null))
  await stage.produceRows(name, range(44, 48), 4)
  await stage.assertDelivered(name, range(0, 48))

  assert.equal(told(/The connector is STALLED: NO_PROGRESS/), 1, 'one line per change')
  assert.equal(told(/The connector is STALLED: KAFKA_UNREACHABLE/), 1, 'and connector, not per partition')
  assert.ok(told(/The connector gets on again/) >= 2)
  assert.ok(told(/Reading the log to its end waits/) <= 2, 'once for the journal, once for the config log')
})
