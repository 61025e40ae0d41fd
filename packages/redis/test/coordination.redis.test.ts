import { after } from 'node:test'
import { describeCoordination } from '@millrace/testkit'
import { clientOn, connect, never, testRedis, timers } from './redis-subject.ts'

const redis = await testRedis()
after(() => redis[Symbol.asyncDispose]())

describeCoordination('Redis', async limits => {
  const prefix = redis.freshPrefix()
  const connections = [await connect(redis.url, prefix), await connect(redis.url, prefix)] as const
  return {
    one: clientOn(connections[0], limits),
    two: clientOn(connections[1], limits),
    advance: ms => timers.sleep(ms, never),
    wipe: () => redis.wipe(prefix),
    [Symbol.asyncDispose]: async () => {
      for (const connection of connections) await connection[Symbol.asyncDispose]()
    },
  }
})
