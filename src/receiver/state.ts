import { join } from 'node:path'
import { z } from 'zod'
import { unbase64url } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import {
  checkPrivateFolder,
  isThere,
  readSecretFile,
  readTextFile,
  writeFileAtomic,
  writeSecretFile,
} from '../base/files.ts'
import { type Lock, lockKeyfile, unlockKeyfile } from '../base/keyfile.ts'
import { adoptCredential, hasSecret, type OwnLock, readLock, wipeLock } from '../base/secret.ts'
import { type BoxKey, boxKey, type SigningKey, signingKey } from '../wire/keys.ts'
import { id, name, publicKey } from '../wire/members.ts'

/** Where everything of a receiver lies in its state folder. */
export const paths = (state: string) => ({
  facts: join(state, 'receiver.json'),
  secret: join(state, 'keyfile.secret'),
  root: join(state, 'root.sealed'),
  successor: join(state, 'successor.sealed'),
  operator: join(state, 'operator.sealed'),
  authority: join(state, 'ca.sealed'),
  server: join(state, 'server.sealed'),
  authorityCertificate: join(state, 'ca.pem'),
  brokerCertificate: join(state, 'broker.pem'),
  clientCertificate: join(state, 'client.pem'),
  brokerKey: join(state, 'broker-key.pem'),
  database: join(state, 'receiver.db'),
})

const factsForm = z.strictObject({
  receiver: z.literal(1),
  server: id,
  root: publicKey,
  successor: publicKey,
  /** The roots before this one, oldest first (WIRE 9.12). */
  former: z.array(publicKey).max(64).optional(),
  operator: name,
  broker: z.string().max(255),
  hosts: z.array(z.string().max(253)).min(1).max(8),
  /** Hosts that the broker's certificate names beside these: addresses that were told to gateways later. */
  certified: z.array(z.string().max(253)).max(16).optional(),
  port: z.int().min(0).max(65_535),
  client: z.string().max(64),
})

/** The public facts of a receiver, as `receiver.json` has them. `broker` is `embedded` or a URL. */
export type Facts = z.infer<typeof factsForm>

const seed = z.string().length(43)
/** The keys that one server entry names, and the one that its broker shows. */
const keySet = { box: seed, receipt: seed, command: seed, brokerKey: z.string() }
/** What was issued with them, PEM: for the broker, for the receiver as its client, and the CA that issued both. */
const certificates = z.strictObject({ broker: z.string(), client: z.string(), authority: z.string() })
const secretForms = {
  root: z.strictObject({ seed }),
  successor: z.strictObject({ seed }),
  operator: z.strictObject({ seed }),
  // the oldest that counts, then those made since; its certificate is in ca.pem before any other was made
  authority: z.strictObject({
    key: z.string(),
    certificate: z.string().optional(),
    later: z
      .array(z.strictObject({ key: z.string(), certificate: z.string() }))
      .max(3)
      .optional(),
  }),
  // likewise: the oldest keys that are kept, then those made since. `format` is absent before the first rotation
  server: z.strictObject({
    format: z.literal(2).optional(),
    server: id,
    clientKey: z.string(),
    ...keySet,
    certificates: certificates.optional(),
    later: z
      .array(z.strictObject({ ...keySet, certificates }))
      .max(7)
      .optional(),
  }),
} as const
export type SecretName = keyof typeof secretForms
export type Secrets<N extends SecretName> = z.infer<(typeof secretForms)[N]>

/** Whether `init` has come to its end in this folder. */
export const isInitialised = (state: string): boolean => isThere(paths(state).facts)

/**
 * The facts of an initialised receiver. Faults: `registry.missing` before `init`, `store.damaged`, `permission`
 * where others may enter the folder.
 */
export function readFacts(state: string): Facts {
  checkPrivateFolder(state)
  const path = paths(state).facts
  if (!isThere(path)) {
    throw new Fault('registry.missing', `there is no registry in ${state}`, {
      hint: 'type: vitalgate-receiver init --host NAME, or name the folder with --state',
    })
  }
  // written last by init: where the facts are, the database was
  if (!isThere(paths(state).database)) {
    throw new Fault('store.damaged', `the database ${paths(state).database} is gone`, {
      hint: 'restore it from a backup; gateways send again what the backup does not hold',
    })
  }
  try {
    return factsForm.parse(JSON.parse(readTextFile(path)))
  } catch (cause) {
    if (cause instanceof Fault) throw cause
    throw new Fault('store.damaged', `${path} is damaged`, {
      hint: 'restore it from a backup of the state folder',
      cause,
    })
  }
}

/** Writes the facts: the last step of `init`. */
export const writeFacts = (state: string, facts: Facts): void =>
  writeFileAtomic(paths(state).facts, `${JSON.stringify(factsForm.parse(facts), null, 2)}\n`)

const secretPlace = (state: string) => ({
  credential: 'vitalgate-receiver-secret',
  file: paths(state).secret,
})

/** The lock of every key file but the root's: the credential of the service, else the secret file of this folder. */
export const ownLock = (state: string): OwnLock => readLock(secretPlace(state))

/** Whether there is a secret for them already. */
export const hasOwnLock = (state: string): boolean => hasSecret(secretPlace(state))

/**
 * At start-up: key files that the secret file of this folder locks come under the credential that systemd hands
 * over now, and the secret file goes; whether that was done. Faults as `readSecrets`, and nothing is changed.
 */
export function adoptSecret(state: string): boolean {
  const { operator, authority, server } = paths(state)
  return adoptCredential(secretPlace(state), [operator, authority, server])
}

/** Writes a key file, in the place of one that is there. */
export const writeSecrets = <N extends SecretName>(
  state: string,
  which: N,
  secrets: Secrets<N>,
  lock: Lock,
): void => writeSecretFile(paths(state)[which], lockKeyfile(secrets, lock))

/** What a key file holds. Faults: `key.missing`, `key.locked`, `key.invalid`, `permission`. */
export function readSecrets<N extends SecretName>(state: string, which: N, lock: Lock): Secrets<N> {
  const path = paths(state)[which]
  const held = secretForms[which].safeParse(unlockKeyfile(readSecretFile(path).toString('utf8'), lock))
  if (!held.success) throw new Fault('key.invalid', `${path} does not hold what it should`)
  return held.data as Secrets<N>
}

/** What a key file under the folder's own lock holds. */
function readOwn<N extends SecretName>(state: string, which: N): Secrets<N> {
  const lock = ownLock(state)
  try {
    return readSecrets(state, which, lock)
  } finally {
    wipeLock(lock)
  }
}

/** The signing key of a key file that holds a seed. */
export const readSigner = (state: string, which: 'root' | 'successor' | 'operator', lock: Lock): SigningKey =>
  signingKey(unbase64url(readSecrets(state, which, lock).seed))

/** A certificate authority of this receiver: PEM texts. */
export interface Authority {
  key: string
  certificate: string
}

/** The authorities whose certificates count, oldest first. */
export function readAuthorities(state: string): Authority[] {
  const { key, certificate, later = [] } = readOwn(state, 'authority')
  return [{ key, certificate: certificate ?? readTextFile(paths(state).authorityCertificate) }, ...later]
}

/** The newest authority that a server entry names: what it issues, whoever has that entry believes. */
export function readAuthority(state: string, ca: readonly string[]): Authority {
  const all = readAuthorities(state)
  const named = all.findLast(one => ca.includes(one.certificate))
  if (named !== undefined) return named
  throw new Fault('key.missing', 'this folder has the key of no CA that the server entry names', {
    hint: 'restore the key files from the backup that is newest',
  })
}

/** The keys with which a server opens and answers. */
export interface ServerKeys {
  id: string
  box: BoxKey
  receipt: SigningKey
  command: SigningKey
}

/** Keys that a server entry names, with what its broker and the receiver show. */
export interface KeySet {
  keys: ServerKeys
  broker: { key: string; certificate: string }
  client: { key: string; certificate: string }
  /** The CA that issued both certificates, PEM. */
  authority: string
}

/** All keys of this receiver's server that were not given up, oldest first. */
export function readKeySets(state: string): KeySet[] {
  const { server, clientKey, later = [], certificates, ...first } = readOwn(state, 'server')
  const at = paths(state)
  const shown = certificates ?? {
    broker: readTextFile(at.brokerCertificate),
    client: readTextFile(at.clientCertificate),
    authority: readTextFile(at.authorityCertificate),
  }
  return [{ ...first, certificates: shown }, ...later].map(one => ({
    keys: keysOf(server, one),
    broker: { key: one.brokerKey, certificate: one.certificates.broker },
    client: { key: clientKey, certificate: one.certificates.client },
    authority: one.certificates.authority,
  }))
}

const keysOf = (
  server: string,
  { box, receipt, command }: Pick<Secrets<'server'>, 'box' | 'receipt' | 'command'>,
): ServerKeys => ({
  id: server,
  box: boxKey(unbase64url(box)),
  receipt: signingKey(unbase64url(receipt)),
  command: signingKey(unbase64url(command)),
})

/** The oldest keys of this receiver's server that were not given up: its only ones before the first rotation. */
export function readServerKeys(state: string): ServerKeys {
  const held = readOwn(state, 'server')
  return keysOf(held.server, held)
}

/** One end of a TLS connection: PEM texts. */
export interface TlsEnd {
  key: string
  certificate: string
  /** The CAs whose certificates count for the other end, one after the other. */
  authority: string
}

/**
 * What broker and receiver show each other and gateways: the oldest that is kept, for a gateway that was away knows
 * no other (WIRE 9.10). Whoever has a later entry knows it as well.
 */
function tlsEnd(state: string, end: 'broker' | 'client'): TlsEnd {
  const authority = readAuthorities(state).map(one => one.certificate)
  return { ...readKeySets(state)[0]![end], authority: authority.join('') }
}

/** What the embedded broker shows to gateways. */
export const brokerTls = (state: string): TlsEnd => tlsEnd(state, 'broker')

/** What the receiver shows to the broker; its client id is `facts.client`. */
export const clientTls = (state: string): TlsEnd => tlsEnd(state, 'client')
