export * from './services/index.ts'
export * from './twins/compacted-log.ts'
