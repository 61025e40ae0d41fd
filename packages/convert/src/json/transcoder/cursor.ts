// How the transcoder's readers talk: they take positions in `src` and `dst`, answer the position after what they wrote in `dst`
// or one of the codes below, and leave in the cursor where the value they read ends in `src`. A code leaves `dst` as good as
// untouched: the caller writes again from where it was. One cursor serves all transcoders; a row is encoded without a pause.

/** The general path must look at this record. */
export const BAIL = -1
/** The row does not fit the buffer: make room and begin the record again. */
export const FULL = -2
/** The general path must look at this value; the record goes on. */
export const UNUSUAL = -3

/** Room kept free beyond every `limit`: the most a value of fixed size takes (tag 3 + length 1 + NUMERIC 17), rounded up. */
export const SLACK = 64

export const cursor: { at: number } = { at: 0 }
