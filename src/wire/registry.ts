import { z } from 'zod'
import { unbase64url } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { plainWord } from '../base/plain.ts'
import type { SigningKey, VerifyKey } from './keys.ts'
import { args, hash, hex16, id, kid, name, pem, publicKey, seq, text, wall, whole } from './members.ts'
import { checkEd25519, checkX25519 } from './points.ts'
import { decodeBody, isSignedBy, type Statement, signStatement } from './statement.ts'

const enters = (check: (key: Uint8Array) => void) => (text: string, context: z.RefinementCtx<string>) => {
  try {
    check(unbase64url(text))
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'is no key' })
  }
}

/** Public keys as they enter: canonical and never of small order (WIRE 2.3). */
const signKey = publicKey.superRefine(enters(checkEd25519))
const boxKeyText = publicKey.superRefine(enters(checkX25519))

/** What a person said: at least a character, at most `most` code points (WIRE 1.5). */
const said = (most: number) =>
  z.string().refine(one => one !== '' && [...one].length <= most, `must be 1 to ${most} characters`)

const brokerUrl = z
  .string()
  .max(255)
  .regex(/^mqtts:\/\/(?:[a-z0-9.-]+|\[[0-9a-f:]+\]):\d{1,5}$/, 'must be mqtts://host:port')

/** The schema of each public statement's body (WIRE 9 and 10.1). */
export const registryBodies = {
  binding: z.strictObject({
    kid,
    gateway: id,
    server: id,
    version: seq,
    site: name,
    keys: z.strictObject({ sign: signKey, box: boxKeyText, tls: hash }),
    since: wall,
  }),
  'server-entry': z.strictObject({
    kid,
    server: id,
    version: seq,
    keys: z.strictObject({ box: boxKeyText, receipt: signKey, command: signKey }),
    brokers: z.array(brokerUrl).min(1).max(8),
    ca: z.array(pem).min(1).max(4),
    pins: z.array(hash).min(1).max(8),
    from: wall,
    until: wall,
  }),
  operator: z.strictObject({ kid, operator: name, key: signKey, since: wall }),
  'device-list': z.strictObject({
    kid,
    gateway: id,
    version: seq,
    before: hash.nullable(),
    devices: z
      .array(z.strictObject({ device: name, driver: name, station: name, proposal: hash }))
      .max(256)
      .refine(all => new Set(all.map(one => one.device)).size === all.length, 'must name each device once'),
  }),
  revocation: z
    .strictObject({
      kid,
      server: id,
      number: seq,
      before: hash.nullable(),
      what: z.enum(['gateway', 'operator']),
      id: z.union([id, name]),
      key: kid,
      tls: hash.nullable(),
      since: wall,
      why: text,
    })
    .refine(
      ({ what, tls }) => (what === 'gateway') === (tls !== null),
      'must name the TLS key of a gateway alone',
    )
    .refine(({ number, before }) => (number === 1) === (before === null), 'must name the one before'),
  order: z.strictObject({
    kid,
    operator: name,
    gateway: id,
    intent: hex16,
    verb: name,
    args,
    made: wall,
    until: wall,
  }),
  review: z.strictObject({
    kid,
    operator: name,
    server: id,
    flag: seq,
    version: seq,
    raised: hash,
    act: z.enum(['reviewed', 'released']),
    by: said(64),
    words: said(500),
    token: whole,
    at: wall,
  }),
  request: z.strictObject({
    gateway: id,
    kid,
    keys: z.strictObject({ sign: signKey, box: boxKeyText }),
    csr: pem,
    hardware: text,
    software: text,
    made: wall,
  }),
} as const

export type RegistryType = keyof typeof registryBodies
export type RegistryBody<T extends RegistryType> = z.infer<(typeof registryBodies)[T]>
export type Binding = RegistryBody<'binding'>
export type ServerEntry = RegistryBody<'server-entry'>
export type Operator = RegistryBody<'operator'>
export type DeviceList = RegistryBody<'device-list'>
export type Revocation = RegistryBody<'revocation'>
export type Order = RegistryBody<'order'>
export type Review = RegistryBody<'review'>
export type Request = RegistryBody<'request'>

/** A public statement as it stands in files and bundles (WIRE 3.7). */
export const publicForm = z.strictObject({
  type: z.string().regex(/^[a-z-]{1,32}$/, 'must be a statement type'),
  body: z.string().max(65_536),
  sig: z.string().length(86),
})

/** What a technician carries to the box (WIRE 10.2). */
export const bundleForm = z.strictObject({
  bundle: z.literal(1),
  gateway: id,
  root: signKey,
  successor: signKey.nullable(),
  operators: z.array(publicForm).max(16),
  binding: publicForm,
  serverEntry: publicForm,
  certificate: pem,
})
export type Bundle = z.infer<typeof bundleForm>

/** Signs a registry statement. The body names the key it is signed with. */
export const signRegistry = <T extends RegistryType>(
  type: T,
  body: Omit<RegistryBody<T>, 'kid'>,
  key: SigningKey,
): Statement =>
  signStatement(type, registryBodies[type].parse({ kid: key.kid, ...body }) as RegistryBody<T>, key)

/**
 * The body of a public statement of this type that this key signed. Faults: `wire.wrong-type`,
 * `wire.unknown-key`, `wire.bad-signature`, `wire.malformed`.
 */
export function verifyRegistry<T extends RegistryType>(
  type: T,
  statement: Statement,
  key: VerifyKey,
): RegistryBody<T> {
  if (statement.type !== type) throw new Fault('wire.wrong-type', `a ${statement.type} instead of a ${type}`)
  if (!isSignedBy(statement, key)) {
    throw new Fault('wire.bad-signature', `${type} is not signed by key ${key.kid}`)
  }
  const result = registryBodies[type].safeParse(decodeBody(statement.body))
  if (!result.success) {
    const [issue] = result.error.issues
    // zod quotes the names that it does not know
    throw new Fault('wire.malformed', plainWord(`${type}: ${issue?.path.join('.')}: ${issue?.message}`))
  }
  const body = result.data as RegistryBody<T>
  if (body.kid !== key.kid) throw new Fault('wire.unknown-key', `${type} names key ${body.kid}`)
  return body
}
