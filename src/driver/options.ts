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

/** A whole number that a technician sets, such as the consent code of a scale. */
export interface NumberOption {
  /** Least and most. */
  range: readonly [number, number]
  default: number
  tells: string
}

export type OptionTable = Record<string, Option | NumberOption>

/** The options of a card as its functions get them: every one set. */
export type Settings<T extends OptionTable> = {
  readonly [K in keyof T]: T[K] extends Option ? T[K]['choices'][number] : number
}

/** What one option may be, in words. */
export const choicesText = (option: Option | NumberOption): string =>
  'range' in option
    ? `a whole number from ${option.range[0]} to ${option.range[1]}`
    : `one of ${option.choices.map(choice => JSON.stringify(choice)).join(', ')}`

const optionSchema = (option: Option | NumberOption): z.ZodType => {
  const error = `must be ${choicesText(option)}`
  if ('choices' in option) return z.literal([...option.choices], { error }).default(option.default)
  const [least, most] = option.range
  return z.int({ error }).min(least, { error }).max(most, { error }).default(option.default)
}

/** Strict schema of an option table: unknown names are refused, absent ones take their default. */
const schemaOf = (table: OptionTable): z.ZodType<Settings<OptionTable>> =>
  z.strictObject(
    Object.fromEntries(Object.entries(table).map(([name, option]) => [name, optionSchema(option)])),
  ) as unknown as z.ZodType<Settings<OptionTable>>

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
export function choiceOf(table: OptionTable, name: string, word: string): Choice {
  const option = table[name]
  if (option === undefined) return word
  if ('range' in option) return /^\d{1,9}$/.test(word) ? Number(word) : word
  return option.choices.find(choice => String(choice) === word) ?? word
}

/** Every choice of every option, one at a time; of a range its two ends. */
export const eachChoice = (table: OptionTable): Record<string, Choice>[] =>
  Object.entries(table).flatMap(([name, option]) =>
    ('range' in option ? option.range : option.choices).map(one => ({ [name]: one })),
  )
