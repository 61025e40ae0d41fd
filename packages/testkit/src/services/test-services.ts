// Kafka and Redis for one test file: the run's shared ones when `npm test` hands them over, otherwise the file's own.
// Shared means: use topic, group and key names of your own (random), and never stop or wipe it.
import { startKafka } from './kafka.ts'
import { startRedis } from './redis.ts'

export type TestService<T> = T & { stop(): Promise<void> }

/** `MILLRACE_TEST_KAFKA` or a broker started for this file; `stop` ends only the latter. */
export async function kafkaForTests(): Promise<TestService<{ readonly bootstrapServers: string }>> {
  const shared = process.env.MILLRACE_TEST_KAFKA
  return shared === undefined ? await startKafka() : { bootstrapServers: shared, stop: async () => {} }
}

/** `MILLRACE_TEST_REDIS` or a server started for this file; `stop` ends only the latter. */
export async function redisForTests(): Promise<TestService<{ readonly url: string }>> {
  const shared = process.env.MILLRACE_TEST_REDIS
  return shared === undefined ? await startRedis() : { url: shared, stop: async () => {} }
}
