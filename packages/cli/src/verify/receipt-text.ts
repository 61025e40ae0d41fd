// A receipt for people: what was compared, what was found, and why the verdict is what it is.

export type Receipt = {
  readonly verdict: string
  readonly reasons: readonly string[]
  readonly missing: number
  readonly doubled: number
  readonly unexpected: number
  readonly records: number
  readonly rows: number
  readonly dead_letters: number
  readonly tombstones: number
  readonly filtered: number
  readonly dropped: number
  readonly examples: readonly string[]
  readonly partitions: readonly PartitionShape[]
  readonly partitions_left_out: number
}
type PartitionShape = {
  readonly name: string
  readonly table: string
  readonly verdict: string
  readonly reasons: readonly string[]
  readonly from_offset: number | string
  readonly to_offset: number | string
  readonly log_end_offset: number | string
  readonly group_offset: number | string | null
  readonly records: number
  readonly rows: number | null
  readonly dead_letters: number
  readonly tombstones: number
  readonly filtered: number
  readonly dropped: number
  readonly streams: readonly { readonly stream: string }[]
}
/** As the REST API answers it. */
export type Run = {
  readonly id: string
  readonly connector: string
  readonly state: string
  readonly progress: {
    readonly stage: string
    readonly partitions: number
    readonly partitions_read: number
    readonly records_read: number
  }
  readonly error: string | null
  readonly receipt: Receipt | null
}

export function receiptText({ connector, state, error, receipt }: Run): string {
  if (receipt === null) return `${connector}: the comparison is ${state}${error === null ? '' : `: ${error}`}\n`
  const { verdict, partitions, partitions_left_out: leftOut, examples, reasons } = receipt
  const lines = [
    `${connector}: ${verdict}`,
    `  ${outcomes(receipt)}`,
    ...(receipt.missing + receipt.doubled + receipt.unexpected === 0
      ? []
      : [`  ${receipt.missing} missing, ${receipt.doubled} more than once, ${receipt.unexpected} unexpected`]),
    ...reasons.map(reason => `  ${reason}`),
    ...examples.map(example => `  ${example}`),
    ...partitions.flatMap(partitionLines),
    ...(leftOut === 0 ? [] : [`${leftOut} more partitions`]),
  ]
  return `${lines.join('\n')}\n`
}

function partitionLines(partition: PartitionShape): readonly string[] {
  const { name, table, verdict, from_offset: from, to_offset: to, log_end_offset: end, group_offset: group } = partition
  const streams = partition.streams.length === 1 ? '1 stream' : `${partition.streams.length} streams`
  return [
    `${name} → ${table}: ${verdict}`,
    `  offsets ${from} up to ${to} (log ends at ${end}, group at ${group ?? '–'}, ${streams} in the journal)`,
    `  ${outcomes(partition)}`,
    ...partition.reasons.map(reason => `  ${reason}`),
  ]
}

function outcomes(of: {
  readonly records: number
  readonly rows: number | null
  readonly dead_letters: number
  readonly tombstones: number
  readonly filtered: number
  readonly dropped: number
}): string {
  const parts = [
    `${of.records} records`,
    of.rows === null ? 'rows not told apart' : `${of.rows} rows`,
    `${of.dead_letters} dead letters`,
    ...(of.tombstones === 0 ? [] : [`${of.tombstones} tombstones`]),
    ...(of.filtered === 0 ? [] : [`${of.filtered} filtered`]),
    ...(of.dropped === 0 ? [] : [`${of.dropped} dropped by errors.tolerance`]),
  ]
  return parts.join(', ')
}
