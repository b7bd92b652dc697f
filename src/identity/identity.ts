import { z } from 'zod'
import { Fault, type FaultCode, isFault } from '../base/fault.ts'
import { isThere, writeFileAtomic } from '../base/files.ts'
import { verifyKey } from '../wire/keys.ts'
import { id, wall } from '../wire/members.ts'
import { type Bundle, publicForm, verifyRegistry } from '../wire/registry.ts'
import { type PublicStatement, statementHash, unpublish } from '../wire/statement.ts'
import { requestWords } from '../wire/words.ts'
import { checkCertificate } from './certificate.ts'
import { forgetFormerKeys, type GatewayKeys, type Pins, readKeys, savePins } from './keys.ts'
import { places, type Save } from './places.ts'
import { namesKeys, type Route, routeOf } from './route.ts'
import { readForm, readRoute, saveRoute } from './route-file.ts'

export { readRouteFile, saveRouteFile } from './route-file.ts'

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

/** The public half of the identity, or undefined before there was a request. */
export function readIdentityFile(state: string): IdentityFile | undefined {
  const path = places(state).identity
  return isThere(path) ? readForm(identityForm, path, 'key.invalid') : undefined
}

/** Writes identity.json. */
export const saveIdentityFile = (state: string, file: IdentityFile, save: Save = writeFileAtomic): void =>
  save(places(state).identity, `${JSON.stringify(file, null, 2)}\n`)

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

/** The newer certificate that waits to prove itself, if it is one; the server hands it over again where it is not. */
function renewalOf(certificate: string | undefined, route: Route, keys: GatewayKeys): Route['renewed'] {
  if (certificate === undefined) return undefined
  try {
    return { certificate, notAfter: checkCertificate(certificate, route.entry, keys) }
  } catch (error) {
    if (isFault(error)) return undefined
    throw error
  }
}

/**
 * The route on disk, verified anew under the pinned root, and the pins raised to its versions; `turned` where the key
 * file went over to the keys of the next one, and the route file has not followed yet.
 */
function loadRoute(
  state: string,
  keys: GatewayKeys,
): { route: Route; pins: Pins; turned: Bundle | undefined } | undefined {
  const file = readRoute(state)
  if (file === undefined) return undefined
  const turned = file.next !== undefined && namesKeys(file.next.binding, keys) ? file.next : undefined
  const bundle = turned ?? file.bundle
  const { pins } = keys
  const roots = pins === undefined ? [] : [pins.root, pins.successor, ...(pins.retired?.keys ?? [])]
  if (pins === undefined || !roots.includes(bundle.root)) {
    throw new Fault('route.refused', 'the route on disk comes from a registry that nobody confirmed here', {
      hint: 'accept the bundle again: vitalgate provision accept BUNDLE',
    })
  }
  const found = routeOf(bundle, keys, pins)
  const renewed = turned === undefined ? renewalOf(file.renewed, found, keys) : undefined
  checkVersions(found, pins.versions)
  const { version: binding } = found.binding
  const versions = { ...pins.versions, binding, serverEntry: found.entry.version }
  return { route: { ...found, renewed }, pins: { ...pins, versions }, turned }
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
  forgetFormerKeys(state)
  const keys = readKeys(state)
  if (file.gateway !== keys.gateway) {
    throw new Fault('key.invalid', `${places(state).identity} and the key file name different gateways`, {
      hint: 'both must come from the same box',
    })
  }
  const { request = file.request } = keys
  verifyRegistry('request', unpublish(request), verifyKey(keys.sign.publicKey))
  // the key file went over to new keys, and the public files follow
  if (!isSame(request, file.request)) saveIdentityFile(state, { ...file, request }, save)
  const known: Known = { gateway: keys.gateway, keys, request }
  try {
    const found = loadRoute(state, keys)
    if (found === undefined) return { phase: 'requested', ...known }
    const { route, pins, turned } = found
    if (turned !== undefined) saveRoute(state, { bundle: turned }, save)
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
