import { readdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileFault, isThere, writeFileAtomic } from '../base/files.ts'
import { places } from './places.ts'
import { overwrite, syncFolder } from './shred.ts'

/** Notes that this folder is to be wiped: from here on only that is done with it, after a crash as well. */
export const beginWipe = (state: string): void => writeFileAtomic(places(state).wiping, '', 0o600)

/** The files of one place: itself, its journal and ballast, what was put aside, and an unfinished writing. */
const belongsTo = (name: string, place: string): boolean =>
  name === place || name.startsWith(`${place}.`) || name.startsWith(`${place}-`)

/**
 * Destroys what a folder knows, if that was begun; whether it was. The keys go first and are overwritten; what is
 * left is a fresh box's folder. Done again after a crash, it goes on where it stopped. Faults `permission`,
 * `file.unreadable`.
 */
export function finishWipe(state: string): boolean {
  const { wiping, keys, secret, route, registry, identity, outbox, devices, settings, moving, former } =
    places(state)
  if (!isThere(wiping)) return false
  try {
    const names = readdirSync(state)
    const all = [keys, secret, route, registry, identity, outbox, devices, settings, moving].map(place =>
      basename(place),
    )
    for (const place of all) {
      for (const name of names.filter(one => belongsTo(one, place))) {
        const path = join(state, name)
        if (place === basename(keys) || place === basename(secret)) overwrite(path)
        rmSync(path, { force: true })
      }
    }
    // rows that were on their way to former servers: sealed to them, and public routes
    rmSync(former, { recursive: true, force: true })
    syncFolder(state)
    rmSync(wiping)
    syncFolder(state)
    return true
  } catch (error) {
    throw fileFault(state, error)
  }
}
