import { z } from 'zod'
import { hex, unbase64url } from '../base/bytes.ts'
import { checked } from '../base/check.ts'
import { Fault, isFault } from '../base/fault.ts'
import { isThere, readTextFile, writeFileAtomic } from '../base/files.ts'
import { type VerifyKey, verifyKey } from '../wire/keys.ts'
import { type Binding, type Operator, publicForm, type Revocation } from '../wire/registry.ts'
import { type PublicStatement, statementHash, unpublish } from '../wire/statement.ts'
import type { Known } from './identity.ts'
import { type Pins, revokedLimit } from './keys.ts'
import { places, type Save } from './places.ts'
import { rootsOf } from './roots.ts'
import type { Route } from './route.ts'

/** Operators that a gateway learns beside those of its bundle: each was certified by the root. */
export const operatorLimit = 64

/** Former entries of its server that a gateway keeps, the latest last: what they signed proves what was forgotten. */
export const entryLimit = 32

/**
 * registry.json: public. What the registry said since the bundle, as it was signed: operators, the revocations of
 * operators and of this gateway, the newest of all revocations, the newest device list, a binding to another
 * server, and the server entries before the present one. The route's own statements are in route.json; what must not be set back is in the key file's pins.
 */
const bookForm = z.strictObject({
  registry: z.literal(1),
  operators: z.array(publicForm).max(operatorLimit),
  revocations: z.array(publicForm).max(revokedLimit + 1),
  newest: publicForm.nullable(),
  devices: publicForm.nullable(),
  moved: publicForm.nullable(),
  entries: z.array(publicForm).max(entryLimit).optional(),
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
  /** Operators who may have signed the next revocation: all whose own does not stand in this file. */
  revokers: VerifyKey[]
  /** The revocation of this very gateway: its server believes it no more. */
  own: Revocation | undefined
  /** Signing keys of this gateway that the registry revoked; those of before them are revoked with them (WIRE 9.9). */
  revokedKeys: readonly string[]
  /** A later binding to another server, whose entry or certificate did not come with it (WIRE 9.11). */
  moved: Binding | undefined
  /** Under which receipts of this server were signed: those of the present entry, and of the ones before. */
  receiptKeys: VerifyKey[]
  /** The file lacks what was there before: no order is obeyed until the server has handed it over again. */
  behind: boolean
  /** Why the file is not believed; it then counts as empty. */
  refused: Fault | undefined
}

/** A gateway with a route: what a book is read for. */
export type Routed = Known & { route: Route }

/** What a file says, every statement in it verified anew. Faults `wire.…` where one does not hold. */
export function bookOf(file: BookFile, { gateway, keys, route }: Routed, pins: Pins): Book {
  const roots = rootsOf(pins)
  const certified = file.operators.map(form => roots.prove('operator', form))
  const all: Operator[] = [...route.operators, ...certified]
  const signers = all.map(one => verifyKey(unbase64url(one.key)))
  const revocations = file.revocations.map(form => roots.prove('revocation', form, signers))
  const byRoot = revocations.filter(one => one.what === 'operator' && roots.has(one.kid))
  const here = new Set(byRoot.map(one => one.key))
  const revoked = new Set([...(pins.revoked ?? []), ...here])
  const operators = all.map((one): [string, KnownOperator] => {
    const key = verifyKey(unbase64url(one.key))
    return [key.kid, { name: one.operator, key, revoked: revoked.has(key.kid) }]
  })
  const newest = file.newest === null ? undefined : roots.prove('revocation', file.newest, signers)
  const devices = file.devices === null ? undefined : roots.prove('device-list', file.devices, signers)
  const moved = file.moved === null ? undefined : roots.prove('binding', file.moved)
  const entries = (file.entries ?? []).map(form => roots.prove('server-entry', form))
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
    revokedKeys: revocations.filter(one => one.what === 'gateway' && one.id === gateway).map(one => one.key),
    moved: moved !== undefined && moved.version > route.binding.version ? moved : undefined,
    receiptKeys: [route.receiptKey, ...entries.map(one => verifyKey(unbase64url(one.keys.receipt)))],
  }
}

/** What registry.json holds, unverified; empty where there is none. Fault `route.refused` where it does not fit. */
export function readBookFile(state: string): BookFile {
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
    return bookOf(readBookFile(state), identity, pins)
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

/** Everything that a file holds as it was signed. */
export const statementsIn = ({
  operators,
  revocations,
  newest,
  devices,
  moved,
  entries = [],
}: BookFile): PublicStatement[] => [
  ...entries,
  ...operators,
  ...revocations,
  ...[newest, devices, moved].filter(one => one !== null),
]

/** The file with an entry of the own server that a later one has followed. */
export const withFormer = (file: BookFile, entry: PublicStatement): Pick<BookFile, 'entries'> => ({
  entries: [...(file.entries ?? []), entry].slice(-entryLimit),
})

/** Keeps an entry that a later one is about to follow. A file that does not fit is begun anew. */
export function keepEntry(state: string, entry: PublicStatement, save: Save = writeFileAtomic): void {
  let file = emptyBook
  try {
    file = readBookFile(state)
  } catch (error) {
    if (!isFault(error, 'route.refused')) throw error
  }
  saveBookFile(state, { ...file, ...withFormer(file, entry) }, save)
}

/** Writes registry.json. */
export const saveBookFile = (state: string, file: BookFile, save: Save = writeFileAtomic): void =>
  save(places(state).registry, `${JSON.stringify(file, null, 2)}\n`)
