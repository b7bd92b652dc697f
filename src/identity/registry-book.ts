import { z } from 'zod'
import { hex, unbase64url } from '../base/bytes.ts'
import { checked } from '../base/check.ts'
import { Fault, isFault } from '../base/fault.ts'
import { isThere, readTextFile, writeFileAtomic } from '../base/files.ts'
import { type VerifyKey, verifyKey } from '../wire/keys.ts'
import {
  type Binding,
  type Operator,
  publicForm,
  type RegistryBody,
  type RegistryType,
  type Revocation,
  verifyRegistry,
} from '../wire/registry.ts'
import { decodeBody, type PublicStatement, statementHash, unpublish } from '../wire/statement.ts'
import type { Known } from './identity.ts'
import { type Pins, revokedLimit } from './keys.ts'
import { places, type Save } from './places.ts'
import type { Route } from './route.ts'

/** Operators that a gateway learns beside those of its bundle: each was certified by the root. */
export const operatorLimit = 64

/**
 * registry.json: public. What the registry said since the bundle, as it was signed: operators, the revocations of
 * operators and of this gateway, the newest of all revocations, the newest device list, and a binding to another
 * server. The route's own statements are in route.json; what must not be set back is in the key file's pins.
 */
const bookForm = z.strictObject({
  registry: z.literal(1),
  operators: z.array(publicForm).max(operatorLimit),
  revocations: z.array(publicForm).max(revokedLimit + 1),
  newest: publicForm.nullable(),
  devices: publicForm.nullable(),
  moved: publicForm.nullable(),
})
export type BookFile = z.infer<typeof bookForm>

const emptyBook: BookFile = {
  registry: 1,
  operators: [],
  revocations: [],
  newest: null,
  devices: null,
  moved: null,
}

/** An operator as this gateway knows him. */
export interface KnownOperator {
  name: string
  key: VerifyKey
  revoked: boolean
}

/** What this gateway knows of the registry beside its route; all of it verified under the pinned root. */
export interface Book {
  file: BookFile
  versions: { devices: number; revocations: number }
  /** H(PAE) of the newest revocation, hex: what the next one names as `before`. */
  newest: string | null
  /** By key id. */
  operators: ReadonlyMap<string, KnownOperator>
  /** Those who may have signed the next revocation: all whose own does not stand in this file. */
  revokers: VerifyKey[]
  /** The revocation of this very gateway: its server believes it no more. */
  own: Revocation | undefined
  /** A binding to another server, which this gateway does not follow by itself. */
  moved: Binding | undefined
  /** The file lacks what was there before: no order is obeyed until the server has handed it over again. */
  behind: boolean
  /** Why the file is not believed; it then counts as empty. */
  refused: Fault | undefined
}

/** A gateway with a route: what a book is read for. */
export type Routed = Known & { route: Route }

/** The body of a public statement of this type under the key it names, if that is one of these. */
export function provenBy<T extends RegistryType>(
  type: T,
  form: PublicStatement,
  keys: readonly VerifyKey[],
): RegistryBody<T> {
  const statement = unpublish(form)
  const { kid } = decodeBody(statement.body)
  const key = keys.find(one => one.kid === kid)
  if (key === undefined) throw new Fault('wire.unknown-key', `${type} names key ${String(kid)}`)
  return verifyRegistry(type, statement, key)
}

const rootOf = (pins: Pins): VerifyKey => verifyKey(unbase64url(pins.root))

/** What a file says, every statement in it verified anew. Faults `wire.…` where one does not hold. */
export function bookOf(file: BookFile, { gateway, keys, route }: Routed, pins: Pins): Book {
  const root = rootOf(pins)
  const certified = file.operators.map(form => provenBy('operator', form, [root]))
  const all: Operator[] = [...route.operators, ...certified]
  const signers = [root, ...all.map(one => verifyKey(unbase64url(one.key)))]
  const revocations = file.revocations.map(form => provenBy('revocation', form, signers))
  const byRoot = revocations.filter(one => one.what === 'operator' && one.kid === root.kid)
  const here = new Set(byRoot.map(one => one.key))
  const revoked = new Set([...(pins.revoked ?? []), ...here])
  const operators = all.map((one): [string, KnownOperator] => {
    const key = verifyKey(unbase64url(one.key))
    return [key.kid, { name: one.operator, key, revoked: revoked.has(key.kid) }]
  })
  const newest = file.newest === null ? undefined : provenBy('revocation', file.newest, signers)
  const devices = file.devices === null ? undefined : provenBy('device-list', file.devices, signers)
  const versions = { devices: devices?.version ?? 0, revocations: newest?.number ?? 0 }
  return {
    file,
    versions,
    behind: versions.revocations < (pins.versions.revocations ?? 0),
    refused: undefined,
    newest: file.newest === null ? null : hex(statementHash(unpublish(file.newest))),
    operators: new Map(operators),
    // not by the pins: where the file was lost, the whole chain is taken anew from its beginning
    revokers: signers.filter(one => !here.has(one.kid)),
    own: revocations.find(one => one.id === gateway && one.key === keys.sign.kid),
    moved: file.moved === null ? undefined : provenBy('binding', file.moved, [root]),
  }
}

function readFile(state: string): BookFile {
  const path = places(state).registry
  if (!isThere(path)) return emptyBook
  let value: unknown
  try {
    value = JSON.parse(readTextFile(path))
  } catch (cause) {
    if (isFault(cause)) throw cause
    throw new Fault('route.refused', `${path} is not JSON`, { cause })
  }
  return checked(bookForm, value, path, 'route.refused')
}

/** What this gateway knows; a file that does not hold is told in `refused`, and counts as empty. */
export function readBook(state: string, identity: Routed): Book {
  const { pins } = identity.keys
  if (pins === undefined) throw new Fault('route.refused', 'there is a route and no pinned root')
  try {
    return bookOf(readFile(state), identity, pins)
  } catch (error) {
    // public statements that the server hands over again: no reason not to collect readings
    if (!isFault(error) || error.code === 'permission') throw error
    const refused = new Fault('route.refused', `${places(state).registry} does not hold: ${error.message}`, {
      hint: 'nothing to do: the server hands it over again',
      cause: error,
    })
    return { ...bookOf(emptyBook, identity, pins), refused }
  }
}

/** Writes registry.json. */
export const saveBookFile = (state: string, file: BookFile, save: Save = writeFileAtomic): void =>
  save(places(state).registry, `${JSON.stringify(file, null, 2)}\n`)
