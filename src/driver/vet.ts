import { z } from 'zod'
import { checked } from '../base/check.ts'
import { kindNames } from '../reading/kinds.ts'
import type { Driver } from './driver.ts'
import { setUp } from './setup.ts'

const action = z.custom(value => typeof value === 'function', 'must be a function')
const ms = z.int().min(1).max(3_600_000)

const choice = z.union([z.boolean(), z.number(), z.string()])
const option = z
  .strictObject({
    choices: z.array(choice).min(1).max(32),
    default: choice,
    tells: z.string().min(1).max(200),
  })
  .refine(one => one.choices.includes(one.default), 'default is not one of the choices')

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
}
const listens = z.strictObject({ ...card, listen: action })
const talks = z.strictObject({ ...card, talk: action, everyMs: ms, answerMs: ms })

const mark = z.string().min(1).max(16)
const limit = z.int().min(1).max(65_536).optional()
const framing = z.union(
  [
    z.strictObject({ until: z.union([mark, z.array(mark).min(1).max(8)]), limit }),
    z.strictObject({ from: mark, to: mark, limit }),
    z.strictObject({ length: z.int().min(1).max(65_536), from: mark.optional() }),
    z.strictObject({
      lengthAt: z.int().min(0).max(255),
      plus: z.int().min(0).max(65_536),
      from: mark,
      limit,
    }),
    z.strictObject({ silenceMs: ms, limit }),
  ],
  { error: 'is none of the framings' },
)

/** A setup as a station and a session use it. */
const setup = z.object({
  link: z.strictObject({
    serial: z.strictObject({
      baud: z.int().min(50).max(4_000_000),
      stopBits: z.union([z.literal(1), z.literal(2)]).optional(),
      flow: z.enum(['rts-cts', 'xon-xoff']).optional(),
    }),
    frame: framing,
    usb: z
      .array(z.string().regex(/^[0-9a-f]{4}:[0-9a-f]{4}$/))
      .max(32)
      .optional(),
  }),
  check: z.strictObject({
    name: z.enum(['none', 'parity', 'sum']),
    mask: z.union([z.literal(0x7f), z.literal(0xff)]),
    open: action,
  }),
  settle: z
    .strictObject({ kind: z.enum(kindNames), emptyBelow: z.number().min(0), movedBy: z.number().positive() })
    .optional(),
  repeatMs: z.int().min(0).max(3_600_000),
})

/**
 * The driver that a file exports, vetted as it stands and with every choice of every option. Otherwise
 * Fault `driver.invalid` that names the driver and every problem.
 */
export function vetted(id: string, exported: unknown): Driver {
  const what = `driver ${id}`
  const talking = typeof exported === 'object' && exported !== null && 'talk' in exported
  checked<unknown>(talking ? talks : listens, exported, what, 'driver.invalid')
  const driver = exported as Driver
  const chosen = Object.entries(driver.options ?? {}).flatMap(([name, { choices }]) =>
    choices.map(one => ({ [name]: one })),
  )
  for (const options of [{}, ...chosen]) {
    const place = `${what} with options ${JSON.stringify(options)}`
    checked<unknown>(setup, setUp(driver, options), place, 'driver.invalid')
  }
  return driver
}
