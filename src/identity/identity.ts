import { z } from 'zod'
import { checked } from '../base/check.ts'
import { Fault, type FaultCode, isFault } from '../base/fault.ts'
import { isThere, readTextFile, writeFileAtomic } from '../base/files.ts'
import { verifyKey } from '../wire/keys.ts'
import { id, wall } from '../wire/members.ts'
import { type Bundle, bundleForm, publicForm, verifyRegistry } from '../wire/registry.ts'
import { type PublicStatement, statementHash, unpublish } from '../wire/statement.ts'
import { requestWords } from '../wire/words.ts'
import { type GatewayKeys, type Pins, readKeys, savePins } from './keys.ts'
import { places, type Save } from './places.ts'
import { type Route, routeOf } from './route.ts'

/** A gateway that has its keys: what it is called, and the request it is enrolled by. */
export interface Known {
  gateway: string
  keys: GatewayKeys
  request: PublicStatement
}

/**
 * Who this gateway is, and how far provisioning went: `fresh` without keys, `requested` with keys and a
 * request, `accepted` with a verified route, `provisioned` once a receipt came that way. A route on disk
 * that does not hold leaves the box at `requested`, with the reason in `refused`.
 */
export type Identity =
  | { phase: 'fresh'; route?: never }
  | ({ phase: 'requested'; route?: never; refused?: Fault } & Known)
  | ({ phase: 'accepted' | 'provisioned'; route: Route } & Known)

/** identity.json: public. `provisioned` names the server whose receipt ended provisioning. */
const identityForm = z.strictObject({
  identity: z.literal(1),
  gateway: id,
  request: publicForm,
  provisioned: z.strictObject({ server: id, at: wall }).nullable(),
})
export type IdentityFile = z.infer<typeof identityForm>

/** route.json: public, the bundle as it was accepted. */
const routeForm = z.strictObject({ route: z.literal(1), bundle: bundleForm })

function readForm<T>(schema: z.ZodType<T>, path: string, code: 'key.invalid' | 'route.refused'): T {
  let value: unknown
  try {
    value = JSON.parse(readTextFile(path))
  } catch (cause) {
    if (cause instanceof Fault) throw cause
    throw new Fault(code, `${path} is not JSON`, { hint: 'restore it from a backup', cause })
  }
  return checked(schema, value, path, code)
}

/** The public half of the identity, or undefined before there was a request. */
export function readIdentityFile(state: string): IdentityFile | undefined {
  const path = places(state).identity
  return isThere(path) ? readForm(identityForm, path, 'key.invalid') : undefined
}

/** Writes identity.json. */
export const saveIdentityFile = (state: string, file: IdentityFile, save: Save = writeFileAtomic): void =>
  save(places(state).identity, `${JSON.stringify(file, null, 2)}\n`)

/** The bundle that was accepted last, or undefined before that; unverified. */
export function readRouteFile(state: string): Bundle | undefined {
  const path = places(state).route
  return isThere(path) ? readForm(routeForm, path, 'route.refused').bundle : undefined
}

/** Writes route.json. */
export const saveRouteFile = (state: string, bundle: Bundle, save: Save = writeFileAtomic): void =>
  save(places(state).route, `${JSON.stringify({ route: 1, bundle }, null, 2)}\n`)

/** A fault if the route is older than the highest versions seen (WIRE 9.5). */
export function checkVersions(
  { binding, entry }: Route,
  seen: { binding: number; serverEntry: number },
): void {
  const lower = [
    ['binding', binding.version, seen.binding] as const,
    ['server entry', entry.version, seen.serverEntry] as const,
  ].find(([, version, highest]) => version < highest)
  if (lower === undefined) return
  const [what, version, highest] = lower
  throw new Fault(
    'route.refused',
    `${what} of version ${version} is older than version ${highest}, seen before`,
    {
      hint: 'ask the operator for a new bundle: vitalgate-receiver registry enrol writes it again',
    },
  )
}

/** The route on disk, verified anew under the pinned root, and the pins raised to its versions. */
function loadRoute(state: string, keys: GatewayKeys): { route: Route; pins: Pins } | undefined {
  const bundle = readRouteFile(state)
  if (bundle === undefined) return undefined
  if (bundle.root !== keys.pins?.root) {
    throw new Fault('route.refused', 'the route on disk comes from a registry that nobody confirmed here', {
      hint: 'accept the bundle again: vitalgate provision accept BUNDLE',
    })
  }
  const route = routeOf(bundle, keys)
  checkVersions(route, keys.pins.versions)
  const { version: binding } = route.binding
  const versions = { ...keys.pins.versions, binding, serverEntry: route.entry.version }
  return { route, pins: { ...keys.pins, versions } }
}

const samePins = (a: Pins, b: Pins | undefined): boolean => JSON.stringify(a) === JSON.stringify(b)

const routeFaults: readonly FaultCode[] = ['route.refused', 'bundle.foreign', 'bundle.invalid']

/**
 * Who this gateway is. Everything is verified again: the request under its own key, every statement of the
 * route under the pinned root. Faults `key.…` and `permission` where the keys cannot be had.
 */
export function loadIdentity(state: string, save: Save = writeFileAtomic): Identity {
  const file = readIdentityFile(state)
  if (file === undefined) return { phase: 'fresh' }
  const keys = readKeys(state)
  if (file.gateway !== keys.gateway) {
    throw new Fault('key.invalid', `${places(state).identity} and the key file name different gateways`, {
      hint: 'both must come from the same box',
    })
  }
  verifyRegistry('request', unpublish(file.request), verifyKey(keys.sign.publicKey))
  const known: Known = { gateway: keys.gateway, keys, request: file.request }
  try {
    const found = loadRoute(state, keys)
    if (found === undefined) return { phase: 'requested', ...known }
    const { route, pins } = found
    // a crash after the route was written, before its versions were: the acceptance is finished now
    if (!samePins(pins, keys.pins)) savePins(state, pins, save)
    const phase = file.provisioned?.server === route.server ? 'provisioned' : 'accepted'
    return { phase, ...known, keys: { ...keys, pins }, route }
  } catch (error) {
    if (!isFault(error) || !routeFaults.includes(error.code)) throw error
    return { phase: 'requested', ...known, refused: error }
  }
}

/** The six words by which people compare this gateway's request (WIRE 2.5). Takes about 0.1 s. */
export const wordsOf = ({ request, gateway }: Known): string[] => requestWords(unpublish(request), gateway)

/** Whether two public statements are the same one. */
export const isSame = (a: PublicStatement, b: PublicStatement): boolean =>
  a.sig === b.sig && Buffer.compare(statementHash(unpublish(a)), statementHash(unpublish(b))) === 0
