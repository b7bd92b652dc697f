import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { codeOf, Fault, type FaultCode } from './fault.ts'

/** Largest file that is read whole, bytes; everything we read this way is far smaller. */
const readLimit = 1_048_576

/** The fault that an error of the file system means, naming the path. */
export function fileFault(path: string, error: unknown, missing: FaultCode = 'file.missing'): Fault {
  const code = codeOf(error)
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new Fault(missing, `there is no ${path}`, { cause: error })
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new Fault('permission', `${path} may not be used by this user (${code})`, {
      hint: `see who owns it: ls -ld ${path}`,
      cause: error,
    })
  }
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new Fault('disk.full', `no room is left on the disk for ${path}`, {
      hint: `nothing was changed; see what fills it: df -h ${dirname(path)}`,
      cause: error,
    })
  }
  return new Fault('file.unreadable', `${path} cannot be used (${code ?? 'unknown error'})`, { cause: error })
}

/** Makes a folder (and those above it) that only its owner may enter, unless it is there already. */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw fileFault(path, error)
  }
}

/** A fault `permission` if somebody else owns it, or has any right to it. */
function checkPrivate(path: string, { mode, uid }: Pick<Stats, 'mode' | 'uid'>, wanted: string): void {
  if (uid !== process.getuid?.()) {
    throw new Fault('permission', `${path} belongs to another user (${uid})`, {
      hint: `run this as the user who owns it: ls -ld ${path}`,
    })
  }
  if ((mode & 0o077) === 0) return
  throw new Fault('permission', `${path} may be used by others (mode ${(mode & 0o777).toString(8)})`, {
    hint: `type: chmod ${wanted} ${path}; if others use this machine, what is in it may be known to them`,
  })
}

/** A fault `permission` if anybody but this user may enter the folder; nothing where there is none. */
export function checkPrivateFolder(path: string): void {
  let found: Stats | undefined
  try {
    found = statSync(path, { throwIfNoEntry: false })
  } catch (error) {
    throw fileFault(path, error)
  }
  if (found === undefined) return
  if (!found.isDirectory()) throw new Fault('input.invalid', `${path} is no folder`)
  checkPrivate(path, found, '700')
}

/**
 * Makes the folder of somebody's state. Only this user may enter it, whoever made it: a fault `permission`
 * where one is there that others may enter.
 */
export function makePrivateFolder(path: string): void {
  makeFolder(path)
  checkPrivateFolder(path)
}

/**
 * Makes an empty file that only its owner may read (0600), unless it is there already: for whoever, like
 * SQLite, opens a file by name and with the rights of the umask. A fault `permission` where the file that is
 * there is a symbolic link, no plain file, another user's, or open to others.
 */
export function makePrivateFile(path: string): void {
  const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants
  try {
    // O_NONBLOCK: a named pipe in its place must not hold us up
    const file = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600)
    try {
      const found = fstatSync(file)
      if (!found.isFile()) throw new Fault('permission', `${path} is no plain file`)
      checkPrivate(path, found, '600')
    } finally {
      closeSync(file)
    }
  } catch (error) {
    if (error instanceof Fault) throw error
    if (codeOf(error) !== 'ELOOP') throw fileFault(path, error)
    throw new Fault('permission', `${path} is a symbolic link`, {
      hint: `somebody put it there; see where it leads, and move it away: ls -l ${path}`,
      cause: error,
    })
  }
}

/** Brings a folder's entries to the disk, so that a rename in it survives a power cut. */
function syncFolder(path: string): void {
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

/**
 * Writes a file so that whoever reads it finds either the old content or the new one, whole, even after
 * a power cut: a temporary file in the same folder, synced, renamed, the folder synced.
 */
export function writeFileAtomic(path: string, content: string | Uint8Array, mode = 0o644): void {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const file = openSync(temporary, 'wx', mode)
    try {
      fchmodSync(file, mode) // the umask may have taken bits away
      writeFileSync(file, content)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(temporary, path)
    syncFolder(dirname(path))
  } catch (error) {
    rmSync(temporary, { force: true })
    throw fileFault(path, error)
  }
}

/** Writes a file that only its owner may read (0600), atomically. */
export const writeSecretFile = (path: string, content: string | Uint8Array): void =>
  writeFileAtomic(path, content, 0o600)

function readWhole(path: string, secret: boolean, missing: FaultCode): Buffer {
  try {
    const file = openSync(path, 'r')
    try {
      const { mode, size } = fstatSync(file)
      if (secret && (mode & 0o077) !== 0) {
        throw new Fault('permission', `${path} may be read by others (mode ${(mode & 0o777).toString(8)})`, {
          hint: `type: chmod 600 ${path}; if others use this machine, treat the key as known to them`,
        })
      }
      if (size > readLimit) throw new Fault('input.invalid', `${path} is too large (${size} bytes)`)
      return readFileSync(file)
    } finally {
      closeSync(file)
    }
  } catch (error) {
    throw error instanceof Fault ? error : fileFault(path, error, missing)
  }
}

/** The bytes of a secret file. A fault `permission` if anybody but its owner may read it. */
export const readSecretFile = (path: string, missing: FaultCode = 'key.missing'): Buffer =>
  readWhole(path, true, missing)

/** The text of a file of at most 1 MiB. Faults: `file.missing` (or another), `permission`, `file.unreadable`. */
export const readTextFile = (path: string, missing: FaultCode = 'file.missing'): string =>
  readWhole(path, false, missing).toString('utf8')

/** Whether there is something at this path. */
export function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined
  } catch (error) {
    // what this user may not look at is there, as far as anybody knows
    const fault = fileFault(path, error)
    if (fault.code === 'file.missing') return false
    throw fault
  }
}
