// Development services: real Kafka and Redis, and Millrace's own processes, each on free ports and gone afterwards.
export * from './child.ts'
export * from './data-folder.ts'
export * from './free-port.ts'
export * from './kafka.ts'
export * from './kafka-install.ts'
export * from './orphan-guard.ts'
export * from './own-processes.ts'
export * from './redis.ts'
