import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { hex, sha256 } from '../base/bytes.ts'
import { nearest } from '../base/check.ts'
import { Fault, isFault } from '../base/fault.ts'
import type { Driver } from './driver.ts'
import { vetted } from './vet.ts'

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
  if (captures.length === 0) {
    const hint = `put NAME.jsonl and NAME.expect.json into ${join(folder, id, 'captures')}`
    throw new Fault('driver.invalid', `driver ${id} has no capture`, { hint })
  }
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
