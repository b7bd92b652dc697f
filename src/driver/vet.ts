import { z } from 'zod'
import { checked } from '../base/check.ts'
import { kindNames } from '../reading/kinds.ts'
import { checkNames } from './checks.ts'
import { type Driver, toldNames } from './driver.ts'
import { eachChoice } from './options.ts'
import { setUp } from './setup.ts'

const action = z.custom(value => typeof value === 'function', 'must be a function')
const ms = z.int().min(1).max(3_600_000)

const choice = z.union([z.boolean(), z.number(), z.string()])
const tells = z.string().min(1).max(200)
const option = z.union(
  [
    z
      .strictObject({ choices: z.array(choice).min(1).max(32), default: choice, tells })
      .refine(one => one.choices.includes(one.default), 'default is not one of the choices'),
    z
      .strictObject({ range: z.tuple([z.int(), z.int()]), default: z.int(), tells })
      .refine(
        one => one.range[0] <= one.default && one.default <= one.range[1],
        'default is outside its range',
      ),
  ],
  { error: 'is neither a list of choices nor a range, or its default is none of them' },
)

/** A member that may follow from the options; what it gives is vetted as part of the setup. */
const fixed = z.unknown().refine(value => value !== undefined, 'is missing')

const card = {
  name: z.string().min(1).max(100),
  revision: z.int().min(1).max(9999),
  experimental: z.boolean().optional(),
  options: z.record(z.string().regex(/^[a-z][A-Za-z]*$/), option).optional(),
  link: fixed,
  check: fixed,
  says: z.array(z.enum(kindNames)).max(kindNames.length),
  settle: fixed.optional(),
  repeatMs: fixed.optional(),
  feedback: fixed.optional(),
  signs: z
    .array(
      z.strictObject({
        usb: z
          .string()
          .regex(/^[0-9a-f]{4}:[0-9a-f]{4}$/)
          .optional(),
        name: z.string().min(1).max(64).optional(),
        model: z.string().min(1).max(100),
        options: z.record(z.string(), choice).optional(),
      }),
    )
    .max(64)
    .optional(),
}
const listens = z.strictObject({ ...card, listen: action })
const talks = z.strictObject({
  ...card,
  talk: action,
  listen: action.optional(),
  everyMs: fixed,
  answerMs: ms,
})

const mark = z.string().min(1).max(16)
const limit = z.int().min(1).max(65_536).optional()
const framing = z.union(
  [
    z.strictObject({ until: z.union([mark, z.array(mark).min(1).max(8)]), limit }),
    z.strictObject({ from: mark, to: mark, limit }),
    z.strictObject({ length: z.int().min(1).max(65_536), from: mark.optional() }),
    z.strictObject({ lengthOf: action, from: mark.optional(), limit: z.int().min(1).max(512) }),
    z.strictObject({ silenceMs: ms, limit }),
  ],
  { error: 'is none of the framings' },
)

const characteristic = z
  .string()
  .regex(/^([0-9a-f]{4}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/)
const hexBytes = z.string().regex(/^([0-9a-f]{2}){1,64}$/)
const bleStep = z.union(
  [
    z.strictObject({ read: characteristic }),
    z.strictObject({ clock: z.enum(['2a08', '2a2b']) }),
    z.strictObject({ hear: characteristic, must: z.literal(true).optional() }),
    z.strictObject({ write: characteristic, bytes: hexBytes, answer: hexBytes.optional() }),
  ],
  { error: 'is none of the steps' },
)
const serialLink = z.strictObject({
  serial: z.strictObject({
    baud: z.int().min(50).max(4_000_000),
    stopBits: z.union([z.literal(1), z.literal(2)]).optional(),
    flow: z.enum(['rts-cts', 'xon-xoff']).optional(),
  }),
  frame: framing,
})
const bleLink = z.strictObject({
  ble: z.strictObject({
    service: characteristic,
    bond: z.boolean(),
    stores: z.boolean(),
    begin: z.array(bleStep).min(1).max(32),
    quietMs: ms.optional(),
  }),
})

/** A setup as a station and a session use it. */
const setup = {
  check: z.strictObject({
    name: z.enum(checkNames),
    mask: z.union([z.literal(0x7f), z.literal(0xff)]),
    open: action,
    seal: action,
  }),
  settle: z
    .union([
      z.strictObject({
        kind: z.enum(kindNames),
        emptyBelow: z.number().min(0),
        movedBy: z.number().positive(),
      }),
      z.strictObject({ kind: z.enum(kindNames), goodMs: z.int().min(0).max(600_000), breakMs: ms }),
    ])
    .optional(),
  repeatMs: z.int().min(0).max(3_600_000),
  feedback: z.partialRecord(z.enum(toldNames), z.string().min(1).max(64)),
  voice: z.object({ talk: z.object({ everyMs: z.int().min(0).max(3_600_000) }).optional() }),
}
const serialSetup = z.object({ link: serialLink, ...setup })
const bleSetup = z.object({ link: bleLink, ...setup })

/**
 * The driver that a file exports, vetted as it stands and with every choice of every option. Otherwise
 * Fault `driver.invalid` that names the driver and every problem.
 */
export function vetted(id: string, exported: unknown): Driver {
  const what = `driver ${id}`
  const talking = typeof exported === 'object' && exported !== null && 'talk' in exported
  checked<unknown>(talking ? talks : listens, exported, what, 'driver.invalid')
  const driver = exported as Driver
  const signed = (driver.signs ?? []).map(sign => sign.options ?? {})
  for (const options of [{}, ...eachChoice(driver.options ?? {}), ...signed]) {
    const place = `${what} with options ${JSON.stringify(options)}`
    const made = setUp(driver, options)
    const overBle = typeof made.link === 'object' && 'ble' in made.link
    checked<unknown>(overBle ? bleSetup : serialSetup, made, place, 'driver.invalid')
  }
  return driver
}
