import { CompactedTopicTwin, describeCompactedLog } from '@millrace/testkit'

describeCompactedLog('twin', async () => {
  const topic = new CompactedTopicTwin()
  return { client: async () => topic.client(), [Symbol.asyncDispose]: async () => {} }
})
