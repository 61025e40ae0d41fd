// Layouts that change (refused rows, changing tables, expiring streams, several lanes), positions that an operator moves, and incarnations
// that end.
import { exploreAll } from './explore-all.ts'
import { ENDS, LAYOUTS, MOVES } from './scopes.ts'

exploreAll({ ...LAYOUTS, ...MOVES, ...ENDS })
