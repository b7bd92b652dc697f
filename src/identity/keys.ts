import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { z } from 'zod'
import { type Bytes, base32, base64url, hex, sha256, unbase64url } from '../base/bytes.ts'
import { codeOf, Fault } from '../base/fault.ts'
import { isThere, readSecretFile, writeFileAtomic } from '../base/files.ts'
import { lockKeyfile, unlockKeyfile } from '../base/keyfile.ts'
import { adoptCredential, hasSecret, type OwnLock, readLock, wipeLock } from '../base/secret.ts'
import { type BoxKey, boxKey, makePair, type SigningKey, signingKey, verifyKey } from '../wire/keys.ts'
import { id, kid, pem, publicKey, whole } from '../wire/members.ts'
import { places, type Save } from './places.ts'

/** The registry roots that a person confirmed, and the highest versions seen under them (WIRE 9.5). */
export interface Pins {
  root: string
  /** Takes over only when a person has typed its words as well. */
  successor: string | null
  versions: {
    binding: number
    serverEntry: number
    devices?: number | undefined
    revocations?: number | undefined
  }
  /** Key ids of operators that the root revoked: their orders are refused, whatever lies beside the keys. */
  revoked?: string[] | undefined
}

/** Everything secret that a gateway holds, and what it believes in. */
export interface GatewayKeys {
  gateway: string
  /** Seed of the signing key, for the thread that signs. */
  signSeed: Bytes
  sign: SigningKey
  box: BoxKey
  /** Secret TLS key, PKCS #8 PEM. */
  tlsKey: string
  /** Hex of H(SubjectPublicKeyInfo) of the TLS key (WIRE 9.1). */
  tlsHash: string
  pins: Pins | undefined
}

/** Operators whose revocation a gateway remembers. */
export const revokedLimit = 256

const seed = z.string().regex(/^[A-Za-z0-9_-]{43}$/)
const sealedForm = z.strictObject({
  gateway: id,
  sign: seed,
  box: seed,
  tls: pem,
  pins: z
    .strictObject({
      root: publicKey,
      successor: publicKey.nullable(),
      versions: z.strictObject({
        binding: whole,
        serverEntry: whole,
        devices: whole.optional(),
        revocations: whole.optional(),
      }),
      revoked: z.array(kid).max(revokedLimit).optional(),
    })
    .nullable(),
})
type Sealed = z.infer<typeof sealedForm>

/** Hex of H(SubjectPublicKeyInfo) of the public half of a PEM key. */
export const keyHash = (tlsKey: string): string =>
  hex(sha256(createPublicKey(tlsKey).export({ format: 'der', type: 'spki' })))

function tlsKeyHash(tlsKey: string): string {
  try {
    if (createPrivateKey(tlsKey).asymmetricKeyDetails?.namedCurve === 'prime256v1') return keyHash(tlsKey)
  } catch (error) {
    // its message may quote the key, so only its code is told
    throw new Fault('key.invalid', `the TLS key cannot be read (${codeOf(error) ?? 'unknown error'})`)
  }
  throw new Fault('key.invalid', 'the TLS key is not of curve P-256')
}

function keysOf(held: Sealed): GatewayKeys {
  const signSeed = unbase64url(held.sign)
  if (held.pins !== null) verifyKey(unbase64url(held.pins.root))
  return {
    gateway: held.gateway,
    signSeed,
    sign: signingKey(signSeed),
    box: boxKey(unbase64url(held.box)),
    tlsKey: held.tls,
    tlsHash: tlsKeyHash(held.tls),
    pins: held.pins ?? undefined,
  }
}

/** What locks the key file: the credential of the service, else the secret file of this box. */
const secretPlace = (state: string) => ({ credential: 'vitalgate-secret', file: places(state).secret })

function locked<T>(state: string, act: (lock: OwnLock) => T): T {
  const lock = readLock(secretPlace(state))
  try {
    return act(lock)
  } finally {
    wipeLock(lock)
  }
}

/** Writes the key file; the secret that locks it must be there. */
const saveSealed = (state: string, held: Sealed, save: Save): void =>
  locked(state, lock => save(places(state).keys, lockKeyfile(held, lock), 0o600))

function readSealed(state: string): Sealed {
  const { keys } = places(state)
  const text = readSecretFile(keys).toString('utf8')
  const result = sealedForm.safeParse(locked(state, lock => unlockKeyfile(text, lock)))
  if (result.success) return result.data
  // a problem must not quote what stands in a key file
  throw new Fault('key.invalid', `${keys}: ${result.error.issues[0]?.path.join('.')} does not fit`)
}

/**
 * At start-up: a key file that the secret file of this box locks comes under the credential that systemd hands
 * over now, and the secret file goes; whether that was done. Faults as `readKeys`, and nothing is changed.
 */
export const adoptSecret = (state: string, save: Save = writeFileAtomic): boolean =>
  adoptCredential(secretPlace(state), [places(state).keys], save)

/**
 * The gateway's keys. Faults: `key.missing`, `key.locked` (the secret belongs to another box),
 * `key.invalid`, `permission` (others may read them).
 */
export const readKeys = (state: string): GatewayKeys => keysOf(readSealed(state))

/** Whether keys were made here before. */
export const hasKeys = (state: string): boolean => isThere(places(state).keys)

/**
 * The gateway's keys, made now unless they are there. Never makes a second set: a key file whose secret
 * is gone is a fault.
 */
export function makeKeys(state: string, save: Save = writeFileAtomic): GatewayKeys {
  if (hasKeys(state)) return readKeys(state)
  if (!hasSecret(secretPlace(state))) save(places(state).secret, randomBytes(32), 0o600)
  const tls = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey
  saveSealed(
    state,
    {
      gateway: base32(randomBytes(16)),
      sign: base64url(makePair('ed25519').secret),
      box: base64url(makePair('x25519').secret),
      tls: String(tls.export({ format: 'pem', type: 'pkcs8' })),
      pins: null,
    },
    save,
  )
  return readKeys(state)
}

/** Writes what the gateway believes in beside its keys. */
export const savePins = (state: string, pins: Pins, save: Save = writeFileAtomic): void =>
  saveSealed(state, { ...readSealed(state), pins }, save)
