import { z } from 'zod'
import { checked } from '../base/check.ts'
import type { FaultCode } from '../base/fault.ts'

/** A value that an option can have. */
export type Choice = boolean | number | string

/** One thing a technician can set about a device: its closed list of choices, and what it is for. */
export interface Option {
  choices: readonly [Choice, ...Choice[]]
  default: Choice
  /** One line for people: what it means, and when to change it. */
  tells: string
}

export type OptionTable = Record<string, Option>

/** The options of a card as its functions get them: every one set. */
export type Settings<T extends OptionTable> = { readonly [K in keyof T]: T[K]['choices'][number] }

/** Strict schema of an option table: unknown names are refused, absent ones take their default. */
function schemaOf(table: OptionTable): z.ZodType<Settings<OptionTable>> {
  const shape = Object.fromEntries(
    Object.entries(table).map(([name, { choices, default: fallback }]) => {
      const words = choices.map(choice => JSON.stringify(choice)).join(', ')
      const one = z.literal([...choices], { error: `must be one of ${words}` })
      return [name, one.default(fallback)]
    }),
  )
  return z.strictObject(shape) as unknown as z.ZodType<Settings<OptionTable>>
}

/**
 * What was set, checked against the card's table, defaults filled in. Otherwise one fault of `code` that
 * lists all problems; `what` names the place, for instance `options of scale-2`.
 */
export const settingsOf = (
  table: OptionTable,
  given: unknown,
  what: string,
  code: FaultCode = 'config.invalid',
): Settings<OptionTable> => checked(schemaOf(table), given ?? {}, what, code)

/** A typed word as the choice it names (`true`, `2400`, `on-print`); the word itself where it names none. */
export const choiceOf = (table: OptionTable, name: string, word: string): Choice =>
  table[name]?.choices.find(choice => String(choice) === word) ?? word
