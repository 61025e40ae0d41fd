// Delivering and taking over: workers that know nothing of each other, late and lost appends, late answers, stale reads, compaction.
import { exploreAll } from './explore-all.ts'
import { TAKEOVERS } from './scopes.ts'

exploreAll(TAKEOVERS)
