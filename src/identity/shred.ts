import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  readdirSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { codeOf } from '../base/fault.ts'
import { fileFault, isThere } from '../base/files.ts'

/** Overwrites a file before it goes. On flash memory the old blocks may stay readable for a while. */
export function overwrite(path: string): void {
  let file: number
  try {
    file = openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW)
  } catch (error) {
    // a link is removed as it is, and never followed
    if (codeOf(error) === 'ELOOP') return
    throw error
  }
  try {
    writeSync(file, Buffer.alloc(fstatSync(file).size), 0)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** Brings a folder's entries to the disk. */
export function syncFolder(path: string): void {
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

/** The second name under which the former content of a file waits to be overwritten. */
const formerName = (path: string): string => `${path}.former`

/** Overwrites and removes what a file was before, and what unfinished writings of it left. */
function shred(path: string): void {
  const folder = dirname(path)
  const present = lstatSync(path)
  for (const name of readdirSync(folder).filter(one => one.startsWith(`${basename(path)}.`))) {
    const other = join(folder, name)
    // a second name of the file that counts now: the power went before the new one was written
    if (lstatSync(other).ino !== present.ino) overwrite(other)
    rmSync(other)
  }
  syncFolder(folder)
}

/** File systems without second names (link(2)): there the former content is left to them. */
const noLinks = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']

/**
 * Has a file written whole, and overwrites what it held before. Cut short, `finishShred` goes on. Faults
 * `permission`, `file.unreadable`, and those of `write`.
 */
export function writeOver(path: string, write: () => void): void {
  finishShred(path)
  try {
    if (isThere(path)) linkSync(path, formerName(path))
  } catch (error) {
    if (!noLinks.includes(codeOf(error) ?? '')) throw fileFault(path, error)
  }
  write()
  try {
    finishShred(path)
  } catch {
    // what was written counts, whatever becomes of the former content: the next writing or start goes on with it
  }
}

/** After a start: overwrites what a file held before, if that was begun. */
export function finishShred(path: string): void {
  try {
    if (isThere(formerName(path)) && isThere(path)) shred(path)
  } catch (error) {
    throw fileFault(path, error)
  }
}
