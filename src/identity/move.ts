import { readdirSync, renameSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { z } from 'zod'
import { Fault, isFault } from '../base/fault.ts'
import { fileFault, isThere, makePrivateFolder, readTextFile, writeFileAtomic } from '../base/files.ts'
import { id } from '../wire/members.ts'
import { type Bundle, bundleForm } from '../wire/registry.ts'
import { decodeBody, type PublicStatement, unpublish } from '../wire/statement.ts'
import { formerFolder, formerLimit, formerServers, seenOf, withSeen } from './former.ts'
import { type GatewayKeys, type Pins, readKeys, savePins } from './keys.ts'
import { places, type Save } from './places.ts'
import type { Routed } from './registry-book.ts'
import { type Route, routeOf } from './route.ts'
import { readForm, saveRouteFile } from './route-file.ts'
import { syncFolder } from './shred.ts'

/** What changes on disk in a move. Handed in, so that a test can cut the power between any two. */
export interface Disk {
  save: Save
  /** Gives a file another name; both folders are synced. */
  rename(from: string, to: string): void
  /** Removes a file, or a folder with all in it. */
  remove(path: string): void
}

/** The disk as it is. */
export const realDisk: Disk = {
  save: writeFileAtomic,
  rename(from, to) {
    try {
      renameSync(from, to)
      syncFolder(join(from, '..'))
      syncFolder(join(to, '..'))
    } catch (error) {
      throw fileFault(from, error)
    }
  },
  remove(path) {
    try {
      rmSync(path, { recursive: true, force: true })
      syncFolder(join(path, '..'))
    } catch (error) {
      throw fileFault(path, error)
    }
  },
}

/**
 * moving.json: public. A move that was decided: from then on it is carried through, at once or at the next start.
 * `begun`, what belongs to the old route is on its way into its folder; `parted`, all of it is there; `arrived`, the
 * new route is in force, and its server has not been told of the devices yet.
 */
const moveForm = z.strictObject({
  moving: z.literal(1),
  step: z.enum(['begun', 'parted', 'arrived']),
  from: id,
  bundle: bundleForm,
})
type Move = z.infer<typeof moveForm>

function readMove(state: string): Move | undefined {
  const path = places(state).moving
  return isThere(path) ? readForm(moveForm, path, 'route.refused') : undefined
}

const saveMove = (state: string, move: Move, save: Save): void =>
  save(places(state).moving, `${JSON.stringify(move, null, 2)}\n`)

/**
 * A fault unless a bundle's route may follow this box's own as that of another server: under the same root, of a
 * binding later than any seen, and with room for one more former route (WIRE 9.11).
 */
export function checkMove(state: string, bundle: Bundle, route: Route, pins: Pins): void {
  const ask = {
    hint: 'ask the operator of the new server for a bundle made with registry enrol --moved-from',
  }
  if (bundle.root !== pins.root) {
    throw new Fault(
      'route.refused',
      'the bundle moves this box under another root than the one confirmed here',
    )
  }
  if (route.binding.version <= pins.versions.binding) {
    throw new Fault(
      'route.refused',
      `the bundle’s binding of version ${route.binding.version} moves this box, which has seen version ${pins.versions.binding}`,
      ask,
    )
  }
  const { serverEntry } = seenOf(pins, route.server)
  if (route.entry.version < serverEntry) {
    throw new Fault(
      'route.refused',
      `the bundle’s server entry of version ${route.entry.version} is older than version ${serverEntry}, seen before`,
      ask,
    )
  }
  const formers = formerServers(state).filter(one => one !== route.server)
  if (formers.length < formerLimit) return
  throw new Fault('route.refused', `rows are still on their way to ${formers.length} former servers`, {
    hint: 'see which, and why they do not drain: vitalgate status',
  })
}

/**
 * The bundle by which an update moves this box, if it does: binding, entry and certificate of another server came
 * together, and all of it holds. What does not is no move, and the rest of the update is taken as usual.
 */
export function movingBundle(
  state: string,
  { gateway, keys, route }: Routed,
  update: { statements: readonly PublicStatement[]; certificate?: string | undefined },
): Bundle | undefined {
  const { pins } = keys
  const { statements, certificate } = update
  const of = (type: string): PublicStatement[] => statements.filter(one => one.type === type)
  if (pins === undefined || certificate === undefined) return undefined
  const operators = of('operator')
  for (const binding of of('binding')) {
    for (const serverEntry of of('server-entry')) {
      const bundle: Bundle = {
        ...{ bundle: 1, gateway, root: pins.root, successor: pins.successor },
        ...{ operators, binding, serverEntry, certificate },
      }
      try {
        const found = routeOf(bundle, keys, pins)
        if (found.server === route.server) continue
        checkMove(state, bundle, found, pins)
        return bundle
      } catch (error) {
        // passed over (WIRE 7.11): what was handed over has to prove itself
        if (!isFault(error)) throw error
      }
    }
  }
  return undefined
}

/** Decides a move that was checked: nothing has changed before, and nothing can stop it afterwards. */
export const beginMove = (state: string, from: string, bundle: Bundle, save: Save = writeFileAtomic): void =>
  saveMove(state, { moving: 1, step: 'begun', from, bundle }, save)

/** The files of a route beside its route.json: outbox with journals and what was put aside, and registry. */
function ownFiles(folder: string): string[] {
  const { outbox, registry } = places('')
  const [one, other] = [basename(outbox), basename(registry)]
  return readdirSync(folder).filter(
    name => name === other || name === one || name.startsWith(`${one}.`) || name.startsWith(`${one}-`),
  )
}

/** Puts what belongs to the old route into its folder, as it is. Done again, it goes on. */
function part(state: string, move: Move, disk: Disk): void {
  const folder = formerFolder(state, move.from)
  makePrivateFolder(places(state).former)
  makePrivateFolder(folder)
  disk.save(places(folder).route, readTextFile(places(state).route))
  for (const name of ownFiles(state)) disk.rename(join(state, name), join(folder, name))
  saveMove(state, { ...move, step: 'parted' }, disk.save)
}

/** The pins after a move: what was seen of the old server is kept, and what was seen of the new one counts again. */
function movedPins(pins: Pins, from: string, { server, binding, entry }: Route): Pins {
  const { serverEntry, devices, revocations } = pins.versions
  const seen = seenOf(pins, server)
  const { servers = [], ...others } = withSeen(pins, { server: from, serverEntry, devices, revocations })
  return {
    ...others,
    // of the present server the versions below tell
    servers: servers.filter(one => one.server !== server),
    versions: {
      binding: binding.version,
      serverEntry: Math.max(entry.version, seen.serverEntry),
      devices: seen.devices,
      revocations: seen.revocations,
    },
  }
}

/** Takes the new route, with what is still here of an earlier time with that server. Done again, it goes on. */
function arrive(state: string, move: Move, disk: Disk): void {
  const keys: GatewayKeys = readKeys(state)
  const { pins } = keys
  if (pins === undefined) throw new Fault('route.refused', 'there is a route and no pinned root')
  const route = routeOf(move.bundle, keys, pins)
  const folder = formerFolder(state, route.server)
  if (isThere(folder)) {
    for (const name of ownFiles(folder)) disk.rename(join(folder, name), join(state, name))
  }
  // before the route: a route without its versions would be taken for one of the old server
  if (pins.versions.binding < route.binding.version) {
    savePins(state, movedPins(pins, move.from, route), disk.save)
  }
  saveRouteFile(state, move.bundle, disk.save)
  if (isThere(folder)) disk.remove(folder)
  saveMove(state, { ...move, step: 'arrived' }, disk.save)
}

/**
 * Carries a move through that was decided, wherever it stopped; whether there was anything to do. Nothing of the
 * state folder may be open, the outbox least of all. The old outbox goes as it is, a fresh one begins by itself.
 */
export function finishMove(state: string, disk: Disk = realDisk): boolean {
  const carry = (): boolean => {
    const move = readMove(state)
    if (move === undefined || move.step === 'arrived') return false
    if (move.step === 'begun') part(state, move, disk)
    arrive(state, move, disk)
    return true
  }
  try {
    return carry()
  } catch (error) {
    if (!isFault(error, 'disk.full')) throw error
    // what the outbox keeps for a full disk; it takes it again when there is room
    for (const path of ballasts(state)) disk.remove(path)
    return carry()
  }
}

/** The ballast of every outbox here. */
const ballasts = (state: string): string[] =>
  [state, ...formerServers(state).map(server => formerFolder(state, server))]
    .map(folder => `${places(folder).outbox}.ballast`)
    .filter(path => isThere(path))

/** Whether this box came to a server that has not been told of its devices yet. */
export const hasArrived = (state: string): boolean => readMove(state)?.step === 'arrived'

/** The new server knows of the devices: the move is over. */
export const endMove = (state: string, disk: Disk = realDisk): void => disk.remove(places(state).moving)

/** The server that a bundle, yet to be verified, names. */
export const serverNamed = ({ binding }: Pick<Bundle, 'binding'>): string =>
  String(decodeBody(unpublish(binding).body).server)
