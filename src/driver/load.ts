import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { z } from 'zod'
import { hex, sha256 } from '../base/bytes.ts'
import { checked, nearest } from '../base/check.ts'
import { Fault, isFault } from '../base/fault.ts'
import { kindNames } from '../reading/kinds.ts'
import type { Driver } from './driver.ts'
import { setUp } from './setup.ts'

/** A driver as it was found: its folder's name is its id, `hash` is the SHA-256 of driver.ts, in hex. */
export interface Loaded {
  id: string
  hash: string
  driver: Driver
  folder: string
  /** Names of its captures, without `.jsonl`, in order. */
  captures: string[]
}

/** All drivers of an installation, in the order of their ids. */
export interface Drivers {
  all: readonly Loaded[]
  /** The driver of an id; Fault `driver.unknown` with the nearest known id as hint. */
  of(id: string): Loaded
}

/** Where the installed drivers are. Code from elsewhere is never loaded. */
const installed = fileURLToPath(new URL('../../drivers', import.meta.url))

const choice = z.union([z.boolean(), z.number(), z.string()])
const option = z
  .strictObject({
    choices: z.array(choice).min(1).max(32),
    default: choice,
    tells: z.string().min(1).max(200),
  })
  .refine(one => one.choices.includes(one.default), 'default is not one of the choices')

/** A function of a card, or a value that `setUp` and the tests look at. */
const fixed = z.union([z.custom(value => typeof value === 'function'), z.looseObject({})])
const action = z.custom(value => typeof value === 'function', 'must be a function')
const ms = z.int().min(1).max(3_600_000)

const card = {
  name: z.string().min(1).max(100),
  revision: z.int().min(1).max(9999),
  experimental: z.boolean().optional(),
  options: z.record(z.string().regex(/^[a-z][A-Za-z]*$/), option).optional(),
  link: fixed,
  check: fixed,
  says: z.array(z.enum(kindNames)).max(kindNames.length),
  settle: z.union([z.literal('each'), fixed]).optional(),
  repeatMs: z.union([ms, z.custom(value => typeof value === 'function')]).optional(),
}
const driverSchemas = {
  listens: z.strictObject({ ...card, listen: action }),
  talks: z.strictObject({ ...card, talk: action, everyMs: ms, answerMs: ms }),
}

const link = z.strictObject({
  serial: z.strictObject({
    baud: z.int().min(50).max(4_000_000),
    stopBits: z.union([z.literal(1), z.literal(2)]).optional(),
    flow: z.enum(['rts-cts', 'xon-xoff']).optional(),
  }),
  frame: z.looseObject({}),
  usb: z
    .array(z.string().regex(/^[0-9a-f]{4}:[0-9a-f]{4}$/))
    .max(32)
    .optional(),
})

/** The driver that a file exports, checked; Fault `driver.invalid` that names the driver and every problem. */
export function vetted(id: string, exported: unknown): Driver {
  const what = `driver ${id}`
  const which = typeof exported === 'object' && exported !== null && 'talk' in exported ? 'talks' : 'listens'
  checked(driverSchemas[which] as z.ZodType, exported, what, 'driver.invalid')
  const driver = exported as Driver
  checked(link, setUp(driver, {}).link, `link of ${what}`, 'driver.invalid')
  return driver
}

async function names(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort()
  } catch (cause) {
    throw new Fault('driver.invalid', `folder cannot be read: ${folder}`, { cause })
  }
}

async function load(folder: string, id: string): Promise<Loaded> {
  const path = join(folder, id, 'driver.ts')
  const captures = (await names(join(folder, id, 'captures'))).filter(name => name.endsWith('.jsonl'))
  if (captures.length === 0) throw new Fault('driver.invalid', `driver ${id} has no capture`)
  const hash = hex(sha256(await readFile(path)))
  const exported = ((await import(pathToFileURL(path).href)) as { default?: unknown }).default
  const driver = vetted(id, exported)
  return { id, hash, driver, folder: join(folder, id), captures: captures.map(name => name.slice(0, -6)) }
}

/**
 * Loads every driver under `folder`. One that is malformed, says an unknown kind or has no capture is a
 * Fault `driver.invalid`: a gateway with a broken driver does not start.
 */
export async function loadDrivers(folder = installed): Promise<Drivers> {
  const ids = (await names(folder)).filter(name => /^[a-z0-9]+(-[a-z0-9]+)*$/.test(name))
  const all = await Promise.all(
    ids.map(id =>
      load(folder, id).catch((cause: unknown) => {
        if (isFault(cause)) throw cause
        throw new Fault('driver.invalid', `driver ${id} cannot be loaded`, { cause })
      }),
    ),
  )
  return {
    all,
    of(id) {
      const found = all.find(one => one.id === id)
      if (found !== undefined) return found
      const near = nearest(id, ids)
      const hint = near === undefined ? `known drivers: ${ids.join(', ')}` : `did you mean ${near}?`
      throw new Fault('driver.unknown', `no driver ${JSON.stringify(id)}`, { hint })
    },
  }
}
