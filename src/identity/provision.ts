import { unbase64url } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { Fault, isFault } from '../base/fault.ts'
import { makePrivateFolder, writeFileAtomic } from '../base/files.ts'
import type { Bundle } from '../wire/registry.ts'
import type { PublicStatement } from '../wire/statement.ts'
import { rootWords, sameWords } from '../wire/words.ts'
import { checkCertificate } from './certificate.ts'
import { formerStatements } from './former.ts'
import {
  checkVersions,
  type Identity,
  isSame,
  type Known,
  loadIdentity,
  readIdentityFile,
  saveIdentityFile,
} from './identity.ts'
import { type GatewayKeys, makeKeys, makeNextKeys, type Pins, savePins, turnKeys } from './keys.ts'
import type { Save } from './places.ts'
import { keepEntry, readBookFile, statementsIn } from './registry-book.ts'
import { type Facts, requestFor } from './request.ts'
import { succeed } from './roots.ts'
import { namesKeys, type Route, readBundle, routeOf } from './route.ts'
import { readRoute, saveRoute } from './route-file.ts'
import { keepKeys } from './turn.ts'

/** A step of provisioning, and whether it had been taken before. */
export type Step<T extends Identity = Identity> = { already: boolean; identity: T }

/**
 * Makes the keys on this box and the request for them. Asked again it gives the same request. Cut short
 * anywhere, it goes on with the keys it made: secret, key file, then the request (WIRE 10.1, 11).
 */
export async function makeRequest(
  state: string,
  facts: Facts,
  save: Save = writeFileAtomic,
): Promise<Step<Exclude<Identity, { phase: 'fresh' }>>> {
  const before = loadIdentity(state, save)
  if (before.phase !== 'fresh') return { already: true, identity: before }
  makePrivateFolder(state)
  const keys = makeKeys(state, save)
  const { gateway } = keys
  const request = await requestFor(keys, facts)
  saveIdentityFile(state, { identity: 1, gateway, request, provisioned: null }, save)
  return { already: false, identity: known(loadIdentity(state, save)) }
}

/**
 * Makes the keys that this box would go on under, beside its present ones, and the request for them (WIRE 9.9). Asked
 * again it proposes the same. Nothing changes until the registry has bound them. Fault `identity.unprovisioned`.
 */
export async function makeNext(
  state: string,
  facts: Facts,
  save: Save = writeFileAtomic,
): Promise<Step<Exclude<Identity, { phase: 'fresh' }>>> {
  known(loadIdentity(state, save))
  const { already } = await makeNextKeys(state, keys => requestFor(keys, facts), save)
  return { already, identity: known(loadIdentity(state, save)) }
}

function known(identity: Identity): Exclude<Identity, { phase: 'fresh' }> {
  if (identity.phase !== 'fresh') return identity
  throw new Fault('identity.unprovisioned', 'this box has made no request yet', {
    hint: 'type: vitalgate provision request',
  })
}

/** The request file's text (WIRE 3.7). */
export const requestText = ({ request }: { request: PublicStatement }): string =>
  `${JSON.stringify(request)}\n`

/**
 * Believes in the bundle's root, or not: the root pinned here needs no words again; the first one, and the
 * pinned successor, need theirs typed. Any other is refused, whatever was typed.
 */
function believe(
  bundle: Bundle,
  pins: Pins | undefined,
  words: string | undefined,
  held: () => PublicStatement[],
): Pins {
  const { root, successor } = bundle
  if (words !== undefined && !sameWords(words, rootWords(unbase64url(root)))) {
    throw new Fault('words.mismatch', "the words are not those of the bundle's registry root", {
      hint: 'compare with what the registry printed; if they are typed right, do not use this bundle',
    })
  }
  if (pins !== undefined && root !== pins.root && root !== pins.successor) {
    throw new Fault('route.refused', 'the bundle comes from another registry than the one confirmed here', {
      hint: 'a box that changes its registry is wiped and makes a new request',
    })
  }
  if (words === undefined && root !== pins?.root) {
    throw new Fault('words.mismatch', 'the six words of the registry root have not been typed', {
      hint: 'they are printed by vitalgate-receiver init; type them when asked, or give --root-words "…"',
    })
  }
  // the bundle is not signed: a successor is pinned only together with words, never by a later file alone
  if (words === undefined && pins !== undefined) return pins
  if (pins === undefined) return { root, successor, versions: { binding: 0, serverEntry: 0 } }
  return { ...(root === pins.root ? pins : succeed(pins, held())), successor }
}

/** What this box holds as a registry signed it; a file that does not fit holds nothing. */
function statementsHeld(state: string): PublicStatement[] {
  const bundle = readRoute(state)?.bundle
  const own = bundle === undefined ? [] : [bundle.binding, bundle.serverEntry, ...bundle.operators]
  const route = [...own, ...formerStatements(state)]
  try {
    return [...route, ...statementsIn(readBookFile(state))]
  } catch (error) {
    if (!isFault(error, 'route.refused')) throw error
    return route
  }
}

/** A fault if the new route is not a later one of the same server. */
function checkFollows(route: Route, old: Route | undefined): void {
  if (old === undefined) return
  if (route.server !== old.server) {
    throw new Fault(
      'route.refused',
      `the bundle moves this box from server ${old.server} to ${route.server}`,
      {
        hint: 'a provisioned box does not change its server by a bundle; wipe it and enrol it again',
      },
    )
  }
  const clash = (['binding', 'serverEntry'] as const).find(
    what =>
      route.statements[what].signature.join() !== old.statements[what].signature.join() &&
      (what === 'binding'
        ? route.binding.version === old.binding.version
        : route.entry.version === old.entry.version),
  )
  if (clash === undefined) return
  throw new Fault('route.refused', `the bundle's ${clash} differs from the one of the same version here`, {
    hint: 'ask the operator: two statements of one version must not exist',
  })
}

const sameBundle = (a: Bundle, b: Bundle | undefined): boolean =>
  b !== undefined &&
  a.root === b.root &&
  a.certificate === b.certificate &&
  isSame(a.binding, b.binding) &&
  isSame(a.serverEntry, b.serverEntry)

/**
 * Checks a bundle and makes it this box's route (WIRE 10.2); `epochs` have rows on the box. Order on disk: the
 * confirmed roots, the route, the keys if it names those that were proposed here, the highest versions; cut short
 * anywhere, the same call goes on. The same bundle again is already so.
 * Faults: `identity.unprovisioned`, `bundle.invalid`, `bundle.foreign`, `words.mismatch`, `route.refused`.
 */
export function acceptBundle(
  state: string,
  text: string,
  words: string | undefined,
  save: Save = writeFileAtomic,
  epochs = 0,
): Step<Known & { phase: 'accepted' | 'provisioned'; route: Route }> {
  const before = known(loadIdentity(state, save))
  const { keys } = before
  const given = readBundle(text)
  checkAddressed(given, keys)
  const pins = believe(given, keys.pins, words, () => statementsHeld(state))
  const turns = keys.next !== undefined && namesKeys(given.binding, keys.next.keys)
  const route = routeOf(given, turns ? keys.next!.keys : keys, pins)
  checkVersions(route, pins.versions)
  checkFollows(route, before.route)
  if (turns) checkTurn(state, epochs)
  const bundle = turns ? given : withLater(given, route, before)
  const file = readRoute(state)
  const already = sameBundle(bundle, file?.bundle)
  if (!already) {
    if (JSON.stringify(pins) !== JSON.stringify(keys.pins)) savePins(state, pins, save)
    const old = before.route?.entry
    if (file !== undefined && old?.server === route.server && old.version < route.entry.version) {
      keepEntry(state, file.bundle.serverEntry, save)
    }
    saveRoute(state, turns ? { bundle, ...file, next: bundle } : { bundle, renewed: file?.renewed }, save)
    // what turns to the keys and to the route that names them, in one writing
    if (turns) turnKeys(state, pins, save)
  }
  const identity = loadIdentity(state, save)
  if (identity.phase !== 'accepted' && identity.phase !== 'provisioned') {
    throw new Fault('file.unreadable', 'the route was written, but is not there')
  }
  return { already, identity }
}

/** A fault if this gateway cannot go over to its new keys just now (WIRE 9.9). */
function checkTurn(state: string, epochs: number): void {
  const why = keepKeys(state, epochs)
  if (why === undefined) return
  throw new Fault('route.refused', `the new keys of this bundle have to wait: ${why}`, {
    hint: 'accept it again when vitalgate outbox stats tells of fewer',
  })
}

/** The bundle with the certificate of here where that one is dated longer: an old file undoes no renewal. */
function withLater(
  bundle: Bundle,
  { server, entry, notAfter }: Route,
  { keys, route }: Identity & Known,
): Bundle {
  if (route === undefined || route.server !== server || route.notAfter <= notAfter) return bundle
  try {
    checkCertificate(route.certificate, entry, keys)
    return { ...bundle, certificate: route.certificate }
  } catch (error) {
    if (isFault(error)) return bundle // the new entry has done with its CA
    throw error
  }
}

function checkAddressed(bundle: Bundle, keys: GatewayKeys): void {
  if (bundle.gateway === keys.gateway) return
  throw new Fault('bundle.foreign', `the bundle is for gateway ${bundle.gateway}, this is ${keys.gateway}`, {
    hint: 'take the bundle that was made for this box, or ask the operator for one',
  })
}

/** Ends provisioning, once a receipt of the route's server has verified. */
export function markProvisioned(state: string, clock: Clock, save: Save = writeFileAtomic): Step {
  const before = loadIdentity(state, save)
  if (before.phase === 'provisioned') return { already: true, identity: before }
  const file = readIdentityFile(state)
  if (file === undefined || before.route === undefined) {
    throw new Fault('identity.unprovisioned', 'this box has no route yet', {
      hint: 'type: vitalgate provision accept BUNDLE',
    })
  }
  const provisioned = { server: before.route.server, at: clock.now() }
  saveIdentityFile(state, { ...file, provisioned }, save)
  return { already: false, identity: loadIdentity(state, save) }
}
