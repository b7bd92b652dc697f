import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { z } from 'zod'
import { type Bytes, base32, base64url, hex, sha256, unbase64url } from '../base/bytes.ts'
import { codeOf, Fault } from '../base/fault.ts'
import { isThere, readSecretFile, writeFileAtomic } from '../base/files.ts'
import { lockKeyfile, unlockKeyfile } from '../base/keyfile.ts'
import { adoptCredential, hasSecret, type OwnLock, readLock, wipeLock } from '../base/secret.ts'
import { type BoxKey, boxKey, makePair, type SigningKey, signingKey, verifyKey } from '../wire/keys.ts'
import { hash, id, kid, pem, publicKey, whole } from '../wire/members.ts'
import { publicForm } from '../wire/registry.ts'
import type { PublicStatement } from '../wire/statement.ts'
import { places, type Save } from './places.ts'
import { finishShred, writeOver } from './shred.ts'

/** The highest versions seen of one server's statements; those of bindings are the gateway's own. */
export interface SeenServer {
  server: string
  serverEntry: number
  devices?: number | undefined
  revocations?: number | undefined
}

/** The registry roots that a person confirmed, and the highest versions seen under them (WIRE 9.5). */
export interface Pins {
  root: string
  /** Pinned only when a person typed the root's words; what it signs is believed, and makes it the root (WIRE 9.12). */
  successor: string | null
  /**
   * Roots whose successor took over, H(PAE) of what was held then, and the highest revocation seen then: nothing else
   * of theirs counts.
   */
  retired?: { keys: string[]; believed: string[]; revocations: number } | undefined
  versions: {
    binding: number
    serverEntry: number
    devices?: number | undefined
    revocations?: number | undefined
  }
  /** What was seen of servers that this gateway was moved away from, the latest last (WIRE 9.11). */
  servers?: SeenServer[] | undefined
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
  /** The request that these keys were enrolled by, where they followed others (WIRE 9.9). */
  request?: PublicStatement | undefined
  /** The keys that this gateway proposed to go on under, and the request for them. */
  next?: { keys: GatewayKeys; request: PublicStatement } | undefined
}

/** Former roots, and statements of theirs, that a gateway remembers. */
export const retiredLimit = { keys: 4, believed: 512 } as const

/** Former servers whose versions a gateway remembers. */
export const serverLimit = 16

/** Operators whose revocation a gateway remembers. */
export const revokedLimit = 256

const seed = z.string().regex(/^[A-Za-z0-9_-]{43}$/)
const secrets = { sign: seed, box: seed, tls: pem }
const sealedForm = z.strictObject({
  gateway: id,
  ...secrets,
  request: publicForm.optional(),
  next: z.strictObject({ ...secrets, request: publicForm }).optional(),
  pins: z
    .strictObject({
      root: publicKey,
      successor: publicKey.nullable(),
      retired: z
        .strictObject({
          keys: z.array(publicKey).max(retiredLimit.keys),
          believed: z.array(hash).max(retiredLimit.believed),
          revocations: whole,
        })
        .optional(),
      versions: z.strictObject({
        binding: whole,
        serverEntry: whole,
        devices: whole.optional(),
        revocations: whole.optional(),
      }),
      servers: z
        .array(
          z.strictObject({
            server: id,
            serverEntry: whole,
            devices: whole.optional(),
            revocations: whole.optional(),
          }),
        )
        .max(serverLimit)
        .optional(),
      revoked: z.array(kid).max(revokedLimit).optional(),
    })
    .nullable(),
})
type Sealed = z.infer<typeof sealedForm>
type Secrets = Pick<Sealed, 'gateway' | 'sign' | 'box' | 'tls'>
type Held = Secrets & Pick<Sealed, 'pins' | 'request' | 'next'>

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

function keysOf({ gateway, sign, box, tls, pins, request, next }: Held): GatewayKeys {
  const signSeed = unbase64url(sign)
  if (pins !== null) verifyKey(unbase64url(pins.root))
  return {
    gateway,
    signSeed,
    sign: signingKey(signSeed),
    box: boxKey(unbase64url(box)),
    tlsKey: tls,
    tlsHash: tlsKeyHash(tls),
    pins: pins ?? undefined,
    request,
    next: next && { keys: keysOf({ gateway, pins, ...next }), request: next.request },
  }
}

/** New secrets from the system's random source, for a gateway of this id. */
function makeSecrets(gateway: string): Secrets {
  const tls = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey
  return {
    gateway,
    sign: base64url(makePair('ed25519').secret),
    box: base64url(makePair('x25519').secret),
    tls: String(tls.export({ format: 'pem', type: 'pkcs8' })),
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

/** Writes the key file, and overwrites what it was before; the secret that locks it must be there. */
const saveSealed = (state: string, held: Sealed, save: Save): void =>
  locked(state, lock => {
    const { keys } = places(state)
    writeOver(keys, () => save(keys, lockKeyfile(held, lock), 0o600))
  })

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
  saveSealed(state, { ...makeSecrets(base32(randomBytes(16))), pins: null }, save)
  return readKeys(state)
}

/** Writes what the gateway believes in beside its keys. */
export const savePins = (state: string, pins: Pins, save: Save = writeFileAtomic): void =>
  saveSealed(state, { ...readSealed(state), pins }, save)

/**
 * The keys that this gateway proposes to go on under, with the request that `ask` makes for them: made now unless
 * they are there. The present keys stay as they are.
 */
export async function makeNextKeys(
  state: string,
  ask: (keys: GatewayKeys) => Promise<PublicStatement>,
  save: Save = writeFileAtomic,
): Promise<{ already: boolean; keys: GatewayKeys }> {
  const held = readSealed(state)
  if (held.next !== undefined) return { already: true, keys: keysOf(held) }
  const secrets = makeSecrets(held.gateway)
  const request = await ask(keysOf({ ...secrets, pins: held.pins }))
  // whoever else asked meanwhile was first, and what is pinned may be newer
  const now = readSealed(state)
  if (now.next !== undefined) return { already: true, keys: keysOf(now) }
  const { sign, box, tls } = secrets
  saveSealed(state, { ...now, next: { sign, box, tls, request } }, save)
  return { already: false, keys: readKeys(state) }
}

/** Makes the proposed keys the gateway's own, with what it believes in from then on; the former are overwritten. */
export function turnKeys(state: string, pins: Pins, save: Save = writeFileAtomic): void {
  const { gateway, next } = readSealed(state)
  if (next === undefined) throw new Fault('key.missing', 'no new keys were proposed here')
  saveSealed(state, { gateway, ...next, pins }, save)
}

/** After a start: overwrites the keys before the present ones, if the power went while that was done. */
export const forgetFormerKeys = (state: string): void => finishShred(places(state).keys)
