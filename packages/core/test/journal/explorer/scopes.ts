// The scopes: each small enough to be explored to the end, together every kind of trouble beside every other that matters.
import { SCOPE, type Scope } from './scope.ts'

export const SCOPES: Readonly<Record<string, Scope>> = {
  'two workers, a broken connection': { ...SCOPE, may: { claims: 2, breaks: 1 } },
  'answers heard late': { ...SCOPE, lateAnswers: true, may: { claims: 2, breaks: 1 } },
  'reads as stale as Kafka allows': { ...SCOPE, staleReads: true, may: { claims: 2, breaks: 1 } },
  'compaction at any point': { ...SCOPE, lazyCompaction: true, may: { claims: 2, breaks: 1, compactions: 2 } },
}
