// Layouts that change (refused rows, changing tables, expiring streams, several lanes), and positions that an operator moves.
import { exploreAll } from './explore-all.ts'
import { LAYOUTS, MOVES } from './scopes.ts'

exploreAll({ ...LAYOUTS, ...MOVES })
