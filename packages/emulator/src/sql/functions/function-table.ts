// The shape of a function's entry: how many arguments, and what call they become.
import { type Expr, expr } from '../expr.ts'
import { SqlRefused } from '../refused.ts'
import type { SqlType } from '../types.ts'

export type SqlFunction = {
  readonly min: number
  readonly max: number
  readonly translate: (args: readonly Expr[]) => Expr
}
export type FunctionTable = Readonly<Record<string, SqlFunction>>

export function fn(min: number, max: number, translate: (...args: readonly Expr[]) => Expr): SqlFunction {
  return { min, max, translate: args => translate(...args) }
}

type TypeRule = SqlType | ((args: readonly Expr[]) => SqlType | undefined) | undefined

/** The same arguments under DuckDB's name. */
export function named(name: string, min: number, max: number, type: TypeRule): SqlFunction {
  return {
    min,
    max,
    translate: args => {
      const resultType = typeof type === 'function' ? type(args) : type
      return expr(`${name}(${args.map(arg => arg.sql).join(', ')})`, resultType)
    },
  }
}

export const firstType = (args: readonly Expr[]): SqlType | undefined => args[0]?.type

export function checkCount(name: string, count: number, { min, max }: Pick<SqlFunction, 'min' | 'max'>): void {
  if (count >= min && count <= max) return
  const wanted = min === max ? `${min}` : max === Number.POSITIVE_INFINITY ? `at least ${min}` : `${min} to ${max}`
  throw new SqlRefused(`Number of arguments does not match for function ${name}: ${count} given, ${wanted} expected`)
}

export const ANY_COUNT: number = Number.POSITIVE_INFINITY
