import { readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Fault, isFault } from '../base/fault.ts'
import { fileFault, isThere, writeFileAtomic } from '../base/files.ts'
import { id } from '../wire/members.ts'
import type { Bundle } from '../wire/registry.ts'
import { decodeBody, type PublicStatement, unpublish } from '../wire/statement.ts'
import { type GatewayKeys, type Pins, readKeys, type SeenServer, savePins, serverLimit } from './keys.ts'
import { places, type Save } from './places.ts'
import { keepEntry } from './registry-book.ts'
import { type Route, routeOf } from './route.ts'
import { readRouteFile, saveRouteFile } from './route-file.ts'
import { syncFolder } from './shred.ts'

/** Servers that rows may still be on their way to, beside the present one (WIRE 9.11). */
export const formerLimit = 4

/** The folder of a server that this gateway was moved away from: route, outbox and registry, as they were. */
export const formerFolder = (state: string, server: string): string => join(places(state).former, server)

/** Servers to which rows are still on their way, in the order of their ids. */
export function formerServers(state: string): string[] {
  const { former } = places(state)
  try {
    if (!isThere(former)) return []
    return readdirSync(former)
      .filter(name => id.safeParse(name).success)
      .sort()
  } catch (error) {
    throw isFault(error) ? error : fileFault(former, error)
  }
}

/** What was seen of a server's statements; zeros where it was never heard of. */
export const seenOf = (pins: Pins, server: string): SeenServer =>
  pins.servers?.find(one => one.server === server) ?? { server, serverEntry: 0 }

/** The pins with this seen of a former server. */
export function withSeen(pins: Pins, seen: SeenServer): Pins {
  const others = (pins.servers ?? []).filter(one => one.server !== seen.server)
  return { ...pins, servers: [...others, seen].slice(-serverLimit) }
}

/** The bundle that a former route was made from. Fault `route.refused` where it is gone or another server's. */
function bundleOf(state: string, server: string): Bundle {
  const bundle = readRouteFile(formerFolder(state, server))
  if (bundle !== undefined && decodeBody(unpublish(bundle.binding).body).server === server) return bundle
  throw new Fault('route.refused', `the route to the former server ${server} is gone`, {
    hint: 'what waits for that server cannot be sent: restore the state folder, or tell the operator',
  })
}

function formerRoute(bundle: Bundle, keys: GatewayKeys, pins: Pins, server: string): Route {
  const route = routeOf(bundle, keys, pins)
  const { serverEntry } = seenOf(pins, server)
  if (route.entry.version >= serverEntry) return route
  throw new Fault(
    'route.refused',
    `server entry of version ${route.entry.version} is older than version ${serverEntry}, seen before`,
  )
}

function pinsOf({ pins }: GatewayKeys): Pins {
  if (pins !== undefined) return pins
  throw new Fault('route.refused', 'there is a former route and no pinned root')
}

/** The route to a former server, every statement of it verified anew. Faults as `routeOf`. */
export const readFormer = (state: string, server: string, keys: GatewayKeys): Route =>
  formerRoute(bundleOf(state, server), keys, pinsOf(keys), server)

/** A bundle with a newer entry of this server, if these statements bring one that holds. */
function renewed(
  bundle: Bundle,
  forms: readonly PublicStatement[],
  certificate: string | undefined,
  judge: (bundle: Bundle) => Route,
): { bundle: Bundle; route: Route } | undefined {
  const { server, version } = judge(bundle).entry
  for (const serverEntry of forms.filter(one => one.type === 'server-entry')) {
    for (const one of certificate === undefined ? [bundle.certificate] : [certificate, bundle.certificate]) {
      try {
        const next = { ...bundle, serverEntry, certificate: one }
        const route = judge(next)
        if (route.entry.server === server && route.entry.version > version) return { bundle: next, route }
      } catch (error) {
        // passed over (WIRE 7.11): what was handed over has to prove itself
        if (!isFault(error)) throw error
      }
    }
  }
  return undefined
}

/**
 * Takes a newer entry of a former server, for the rows that still wait for it, and nothing else: its new route, or
 * undefined. Order on disk: the entry before, the route, the highest version.
 */
export function takeFormerEntry(
  state: string,
  server: string,
  update: { statements: readonly PublicStatement[]; certificate?: string | undefined },
  save: Save = writeFileAtomic,
): Route | undefined {
  // as they are on disk now: the present route raises them as well
  const keys = readKeys(state)
  const pins = pinsOf(keys)
  const found = renewed(bundleOf(state, server), update.statements, update.certificate, bundle =>
    formerRoute(bundle, keys, pins, server),
  )
  if (found === undefined) return undefined
  const folder = formerFolder(state, server)
  keepEntry(folder, bundleOf(state, server).serverEntry, save)
  saveRouteFile(folder, found.bundle, save)
  savePins(state, withSeen(pins, { ...seenOf(pins, server), serverEntry: found.route.entry.version }), save)
  return found.route
}

/** What is held of former routes as the registry signed it; unverified. */
export function formerStatements(state: string): PublicStatement[] {
  return formerServers(state).flatMap(server => {
    const bundle = readRouteFile(formerFolder(state, server))
    return bundle === undefined ? [] : [bundle.binding, bundle.serverEntry]
  })
}

const goneEnd = '.gone'

/** Removes what is left of former routes that are forgotten. */
export function sweepFormer(state: string): void {
  const { former } = places(state)
  if (!isThere(former)) return
  try {
    for (const name of readdirSync(former)) {
      if (name.endsWith(goneEnd)) rmSync(join(former, name), { recursive: true, force: true })
    }
    syncFolder(former)
  } catch (error) {
    throw fileFault(former, error)
  }
}

/** Forgets a former route whose rows are all receipted and forgotten; in one step, whatever the power does. */
export function forgetFormer(state: string, server: string): void {
  sweepFormer(state)
  const folder = formerFolder(state, server)
  try {
    renameSync(folder, `${folder}${goneEnd}`)
    syncFolder(places(state).former)
  } catch (error) {
    throw fileFault(folder, error)
  }
  sweepFormer(state)
}
