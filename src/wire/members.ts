import { z } from 'zod'

/** A gateway or server id (WIRE 2.1): 16 bytes in 26 characters, the last of which carries three bits. */
export const idGrammar = /^[a-z2-7]{25}[aeimquy4]$/

/** The members that bodies are built from, each as strict as WIRE 1 and 2 say. */
export const id = z.string().regex(idGrammar, 'must be an id of 26 characters')
export const kid = z.string().regex(/^[0-9a-f]{16}$/, 'must be a key id of 16 hex digits')
export const epoch = kid
export const hash = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hex digits')
export const hex16 = z.string().regex(/^[0-9a-f]{32}$/, 'must be 32 hex digits')
export const whole = z.int().min(0)
export const seq = z.int().min(1)
/** The last millisecond of the year 9999 (WIRE 1.5): what every calendar can still write. */
export const lastWall = 253_402_300_799_999
export const wall = z.int().min(0).max(lastWall)
export const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'must be 1 to 64 of a-z 0-9 . _ - and begin with a letter or digit')
export const printable = z
  .string()
  .regex(/^[\x21-\x7e](?:[\x20-\x7e]{0,62}[\x21-\x7e])?$/, 'must be 1 to 64 printable characters')
export const text = z.string().max(128)
export const publicKey = z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'must be a public key of 43 characters')
export const pem = z.string().max(8192)

/** Arguments and results of commands: names, each with a text, a whole number, true or false (WIRE 7.12). */
export const args = z
  .record(name, z.union([text, whole, z.boolean()]))
  .refine(all => Object.keys(all).length <= 16, 'must be at most 16')
export type Args = z.infer<typeof args>

/** Who says it to whom (WIRE 3.6): first members of every sealed body. */
export const parties = { iss: id, kid, aud: id, akid: kid }

/** When it happened (WIRE 6.1). */
export const moment = z.strictObject({
  wall,
  source: z.enum(['ntp', 'rtc', 'saved', 'none']),
  uncertainty: whole.nullable(),
  boot: hex16,
  mono: whole,
})

/** A place in a chain: the last seq of an epoch and the head there. */
export const place = z.strictObject({ epoch, seq: whole, head: hash })
export type Place = z.infer<typeof place>

/** Holes that one answer may list, and all answers of a welcome together (WIRE 1.5). */
export const holesLimit = { answer: 32, welcome: 128 } as const

/** Places that were declared lost: [from, to], rising and apart (WIRE 7.2). */
export const holes = z
  .array(z.tuple([seq, seq]))
  .max(holesLimit.answer)
  .refine(
    all => all.every(([from, to], at) => from <= to && from > (all[at - 1]?.[1] ?? 0)),
    'must be rising',
  )
export type Holes = z.infer<typeof holes>

/** Whether no epoch is named twice (WIRE 7.1). */
const eachOnce = (all: readonly Place[]): boolean => new Set(all.map(one => one.epoch)).size === all.length

/** The epochs of a hello (WIRE 7.1). */
export const places = z.array(place).max(64).refine(eachOnce, 'must name each epoch once')

/** What a welcome answers for each epoch (WIRE 7.2). */
export const answers = z
  .array(place.extend({ holes }))
  .max(64)
  .refine(eachOnce, 'must name each epoch once')
  .refine(
    all => all.reduce((sum, one) => sum + one.holes.length, 0) <= holesLimit.welcome,
    `must not list more than ${holesLimit.welcome} holes`,
  )
