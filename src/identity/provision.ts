import { base64url, unbase64url } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import { makePrivateFolder, writeFileAtomic } from '../base/files.ts'
import { type Bundle, signRegistry } from '../wire/registry.ts'
import { type PublicStatement, publish } from '../wire/statement.ts'
import { rootWords, sameWords } from '../wire/words.ts'
import { makeCsr } from './csr.ts'
import {
  checkVersions,
  type Identity,
  isSame,
  type Known,
  loadIdentity,
  readIdentityFile,
  readRouteFile,
  saveIdentityFile,
  saveRouteFile,
} from './identity.ts'
import { type GatewayKeys, makeKeys, type Pins, savePins } from './keys.ts'
import type { Save } from './places.ts'
import { type Route, readBundle, routeOf } from './route.ts'

/** What the box says about itself in its request. */
export interface Facts {
  hardware: string
  software: string
  clock: Clock
}

/** A step of provisioning, and whether it had been taken before. */
export type Step<T extends Identity = Identity> = { already: boolean; identity: T }

/**
 * Makes the keys on this box and the request for them. Asked again it gives the same request. Cut short
 * anywhere, it goes on with the keys it made: secret, key file, then the request (WIRE 10.1, 11).
 */
export async function makeRequest(
  state: string,
  { hardware, software, clock }: Facts,
  save: Save = writeFileAtomic,
): Promise<Step<Exclude<Identity, { phase: 'fresh' }>>> {
  const before = loadIdentity(state, save)
  if (before.phase !== 'fresh') return { already: true, identity: before }
  makePrivateFolder(state)
  const keys = makeKeys(state, save)
  const { gateway } = keys
  const csr = await makeCsr(gateway, keys.tlsKey)
  const request = signRegistry(
    'request',
    {
      gateway,
      keys: { sign: base64url(keys.sign.publicKey), box: base64url(keys.box.publicKey) },
      csr,
      hardware,
      software,
      made: clock.now(),
    },
    keys.sign,
  )
  saveIdentityFile(state, { identity: 1, gateway, request: publish(request), provisioned: null }, save)
  return { already: false, identity: known(loadIdentity(state, save)) }
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
function believe(bundle: Bundle, pins: Pins | undefined, words: string | undefined): Pins {
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
  return { ...pins, root, successor, versions: pins?.versions ?? { binding: 0, serverEntry: 0 } }
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
 * Checks a bundle and makes it this box's route (WIRE 10.2). Order on disk: the confirmed roots, the route,
 * the highest versions; cut short anywhere, the same call goes on. The same bundle again is already so.
 * Faults: `identity.unprovisioned`, `bundle.invalid`, `bundle.foreign`, `words.mismatch`, `route.refused`.
 */
export function acceptBundle(
  state: string,
  text: string,
  words: string | undefined,
  save: Save = writeFileAtomic,
): Step<Known & { phase: 'accepted' | 'provisioned'; route: Route }> {
  const before = known(loadIdentity(state, save))
  const { keys } = before
  const bundle = readBundle(text)
  checkAddressed(bundle, keys)
  const pins = believe(bundle, keys.pins, words)
  const route = routeOf(bundle, keys)
  checkVersions(route, pins.versions)
  checkFollows(route, before.route)
  const already = sameBundle(bundle, readRouteFile(state))
  if (!already) {
    if (JSON.stringify(pins) !== JSON.stringify(keys.pins)) savePins(state, pins, save)
    saveRouteFile(state, bundle, save)
  }
  const identity = loadIdentity(state, save)
  if (identity.phase !== 'accepted' && identity.phase !== 'provisioned') {
    throw new Fault('file.unreadable', 'the route was written, but is not there')
  }
  return { already, identity }
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
