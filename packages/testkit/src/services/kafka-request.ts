// What a proxy can tell of a Kafka request by its first bytes: size (4), API key (2), API version (2).
// https://kafka.apache.org/protocol#protocol_messages

export const KAFKA_API = { PRODUCE: 0, FETCH: 1 } as const

/** −1: these are not the first bytes of a request. */
export const kafkaApiKey = (request: Buffer): number => (request.length >= 6 ? request.readInt16BE(4) : -1)
