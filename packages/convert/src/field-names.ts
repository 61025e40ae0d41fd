// Field names as columns: BigQuery matches names without regard to case, `sanitizeFieldNames` rewrites them first.

/** Kafka Connect's sink: every other character becomes `_`, and a name may not begin with a digit. */
export function sanitizeFieldName(name: string): string {
  const sanitized = name.replace(/[^A-Za-z0-9_]/g, '_')
  return /^[A-Za-z_]/.test(sanitized) ? sanitized : `_${sanitized}`
}

/** Equal for two names exactly when BigQuery takes them for the same column. */
export const columnKey = (name: string): string => name.toLowerCase()
