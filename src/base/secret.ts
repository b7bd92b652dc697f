import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { basename, dirname, isAbsolute, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { type Bytes, unhex } from './bytes.ts'
import { codeOf, Fault, isFault } from './fault.ts'
import { fileFault, isThere, readSecretFile, writeFileAtomic } from './files.ts'
import { type Lock, lockKeyfile, readSecret, unlockKeyfile } from './keyfile.ts'

/** Where the secret of a program's key files comes from: a systemd credential by its name, else a 0600 file. */
export interface SecretPlace {
  credential: string
  file: string
}

/** The lock of key files that nobody types: `former` is the secret file that a credential is to replace. */
export type OwnLock = Exclude<Lock, { passphrase: string }>

/** 64 hex digits and the end of a line. */
const credentialLimit = 65

/** A fault if others than root and this user may have written it, or everybody may read it. */
function checkCredential(path: string, mode: number, uid: number): void {
  // on a file system with ACLs root owns it and an ACL lets the service read it, which shows as a right of the group
  if ((uid === 0 || uid === process.getuid?.()) && (mode & 0o027) === 0) return
  throw new Fault('permission', `${path} may be used by others (mode ${(mode & 0o777).toString(8)})`, {
    hint: 'let systemd hand it over: LoadCredentialEncrypted= or LoadCredential= in the unit',
  })
}

function readBounded(path: string): Buffer | undefined {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants
  let file: number
  try {
    // O_NONBLOCK: a named pipe in its place must not hold us up
    file = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    if (codeOf(error) !== 'ELOOP') throw fileFault(path, error)
    throw new Fault('permission', `${path} is a symbolic link`, { cause: error })
  }
  try {
    const found = fstatSync(file)
    if (!found.isFile()) throw new Fault('permission', `${path} is no plain file`)
    checkCredential(path, found.mode, found.uid)
    // one byte more than fits, so that what is longer is seen
    const held = Buffer.alloc(credentialLimit + 1)
    return held.subarray(0, readSync(file, held, 0, held.length, 0))
  } catch (error) {
    throw error instanceof Fault ? error : fileFault(path, error)
  } finally {
    closeSync(file)
  }
}

function secretIn(held: Buffer, path: string): Bytes {
  if (held.length === 32) return Uint8Array.from(held)
  const text = held.toString('latin1')
  const digits = text.endsWith('\n') ? text.slice(0, -1) : text
  if (/^[0-9a-fA-F]{64}$/.test(digits)) return unhex(digits)
  const told = held.length > credentialLimit ? `more than ${credentialLimit}` : held.length
  throw new Fault('key.invalid', `${path} is ${told} bytes long, and neither 32 bytes nor 64 hex digits`, {
    hint: `make it anew: openssl rand 32 | systemd-creds encrypt --name=${basename(path)} - FILE`,
  })
}

/**
 * The 32 bytes of a credential that systemd handed to this service (systemd.exec(5), LoadCredential=), or
 * undefined where there is none. Faults: `key.invalid`, `permission`.
 */
export function readCredential(name: string, env: NodeJS.ProcessEnv = process.env): Bytes | undefined {
  const folder = env.CREDENTIALS_DIRECTORY
  if (folder === undefined || folder === '') return undefined
  if (!isAbsolute(folder))
    throw new Fault('key.invalid', `CREDENTIALS_DIRECTORY is no absolute path (${folder})`)
  const path = join(folder, name)
  const held = readBounded(path)
  if (held === undefined) return undefined
  try {
    return secretIn(held, path)
  } finally {
    held.fill(0)
  }
}

/** Whether there is a secret already, of either sort. */
export function hasSecret({ credential, file }: SecretPlace, env?: NodeJS.ProcessEnv): boolean {
  const held = readCredential(credential, env)
  held?.fill(0)
  return held !== undefined || isThere(file)
}

/**
 * What locks the key files of this place: the credential's secret, with that of the file as the former one while
 * both are there, or the file's. A credential that is there and wrong is a fault, never a reason to look
 * elsewhere. Faults: `key.missing` where there is neither, `key.invalid`, `permission`.
 */
export function readLock({ credential, file }: SecretPlace, env?: NodeJS.ProcessEnv): OwnLock {
  const secret = readCredential(credential, env)
  if (secret !== undefined) {
    const told = `the credential ${credential}`
    return isThere(file) ? { secret, former: readSecret(file), told } : { secret, told }
  }
  try {
    return { secret: readSecret(file) }
  } catch (error) {
    if (!isFault(error, 'key.missing')) throw error
    throw new Fault('key.missing', error.message, {
      hint: `bring it back from a backup; if it is a credential: systemd-run --pipe --wait --uid=USER -p LoadCredentialEncrypted=${credential}:FILE COMMAND`,
      cause: error,
    })
  }
}

/** Overwrites the secrets of a lock that is of no more use. */
export function wipeLock({ secret, former }: OwnLock): void {
  secret.fill(0)
  former?.fill(0)
}

/** Overwrites and removes a secret file. On flash memory the old blocks may stay readable for a while. */
function removeSecret(path: string): void {
  try {
    const file = openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW)
    try {
      writeSync(file, Buffer.alloc(fstatSync(file).size), 0)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    rmSync(path)
    const folder = openSync(dirname(path), 'r')
    try {
      fsyncSync(folder)
    } finally {
      closeSync(folder)
    }
  } catch (error) {
    throw fileFault(path, error)
  }
}

const readKeyfile = (path: string, lock: OwnLock) =>
  unlockKeyfile(readSecretFile(path).toString('utf8'), lock)

function opensWith(path: string, secret: Uint8Array): boolean {
  try {
    readKeyfile(path, { secret })
    return true
  } catch (error) {
    if (isFault(error, 'key.locked')) return false
    throw error
  }
}

/**
 * Brings the key files of a program that began with a secret file under its credential; whether it did. All are
 * opened before any is written, each is written whole and read back, and only then the secret file goes: cut
 * short anywhere, the next start goes on. Nothing happens without a credential, without a secret file, or while
 * a key file is missing, which that secret might have locked. Faults as `unlockKeyfile`, and nothing is changed.
 */
export function adoptCredential(
  place: SecretPlace,
  keyfiles: readonly string[],
  save: typeof writeFileAtomic = writeFileAtomic,
): boolean {
  if (!keyfiles.every(isThere)) return false
  const lock = readLock(place)
  try {
    if (lock.former === undefined) return false
    const held = keyfiles.map(path => ({ path, secrets: readKeyfile(path, lock) }))
    const { secret } = lock
    for (const { path, secrets } of held) {
      if (opensWith(path, secret)) continue
      save(path, lockKeyfile(secrets, { secret }), 0o600)
      if (isDeepStrictEqual(readKeyfile(path, { secret }), secrets)) continue
      throw new Fault('file.unreadable', `${path} was written under the credential, and reads otherwise`)
    }
    removeSecret(place.file)
    return true
  } finally {
    wipeLock(lock)
  }
}
