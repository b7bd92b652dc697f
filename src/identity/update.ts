import { Fault } from '../base/fault.ts'
import { writeFileAtomic } from '../base/files.ts'
import type { UpdateBody } from '../wire/session.ts'
import type { PublicStatement } from '../wire/statement.ts'
import { formerStatements } from './former.ts'
import { loadIdentity } from './identity.ts'
import { type Pins, savePins, turnKeys } from './keys.ts'
import { beginMove, movingBundle } from './move.ts'
import type { Save } from './places.ts'
import { type Book, readBook, saveBookFile } from './registry-book.ts'
import { readRoute, saveRoute } from './route-file.ts'
import { keepKeys } from './turn.ts'
import { type Known, type RoutedIdentity, takeCertificate, takeStatement } from './update-taking.ts'

/**
 * What a running gateway has to do about an update: connect anew with the newer certificate, connect anew by the newer
 * entry, or close everything that knows the former keys, or the former server, and open it again.
 */
export type Change = 'certificate' | 'entry' | 'keys' | 'server'

/** What became of an update. */
export interface Updated {
  identity: RoutedIdentity
  book: Book
  /** Types of the statements that were taken, in their order; `certificate` at the end. */
  taken: string[]
  /** The greatest change, which does all that the lesser ones ask for; undefined: nothing that concerns the way. */
  change: Change | undefined
}

/** What a server handed over, and how many epochs have rows on the box. */
export type Handed = Pick<UpdateBody, 'statements' | 'certificate'> & { epochs: number }

function routed(state: string, save: Save): RoutedIdentity {
  const identity = loadIdentity(state, save)
  if (identity.phase === 'accepted' || identity.phase === 'provisioned') return identity
  throw new Fault('identity.unprovisioned', 'this box has no route')
}

/** The pins with the highest numbers that are known now. */
function raised({ identity, book, pins }: Known): Pins {
  const { devices, revocations } = book.versions
  const highest = (now: number, seen = 0): number => Math.max(now, seen)
  const versions = {
    binding: identity.route.binding.version,
    serverEntry: identity.route.entry.version,
    devices: highest(devices, pins.versions.devices),
    revocations: highest(revocations, pins.versions.revocations),
  }
  return { ...pins, versions }
}

/**
 * Order on disk: who is the root now, the statements, the route, the highest numbers. With new keys, the route that
 * names them is written beside the present one, and writing the key file is what turns to both; what is left of the
 * former ones goes when the identity is loaded. Cut short anywhere, it is the one or the other.
 */
function store(state: string, before: Known, after: Known, save: Save): void {
  const { bundle, book, turned } = after
  const { root, successor, retired } = after.pins
  if (root !== before.pins.root) savePins(state, { ...before.pins, root, successor, retired }, save)
  if (book.file !== before.book.file) saveBookFile(state, book.file, save)
  if (turned) {
    saveRoute(state, { ...readRoute(state)!, next: bundle }, save)
    turnKeys(state, raised(after), save)
    return
  }
  const { renewed } = after.identity.route
  if (bundle !== before.bundle || renewed !== before.identity.route.renewed) {
    const waits =
      renewed === undefined || renewed.certificate === bundle.certificate
        ? {}
        : { renewed: renewed.certificate }
    saveRoute(state, { bundle, ...waits }, save)
  }
  savePins(state, raised(after), save)
}

/**
 * Route last: what the former root said of operators has to be taken before its successor is the root (WIRE 9.12);
 * otherwise as they came.
 */
function inOrder(statements: readonly PublicStatement[]): PublicStatement[] {
  const isRoute = ({ type }: PublicStatement): boolean => type === 'binding' || type === 'server-entry'
  return [...statements.filter(one => !isRoute(one)), ...statements.filter(isRoute)]
}

function changeOf({ identity: { route } }: Known, after: Known): Change | undefined {
  if (after.turned) return 'keys'
  const now = after.identity.route
  if (now.entry.version > route.entry.version) return 'entry'
  return now.renewed === route.renewed ? undefined : 'certificate'
}

/**
 * Takes what is newer of what a server hands over (WIRE 7.11), each part verified as if a stranger had brought it; the
 * others are passed over. Cut short anywhere, the next update goes on.
 */
export function takeUpdate(
  state: string,
  { statements, certificate, epochs }: Handed,
  save: Save = writeFileAtomic,
): Updated {
  const identity = routed(state, save)
  const bundle = readRoute(state)?.bundle
  const { pins } = identity.keys
  if (bundle === undefined || pins === undefined) throw new Fault('route.refused', 'the route is gone')
  const book = readBook(state, identity)
  const moving = movingBundle(state, identity, { statements, certificate })
  if (moving !== undefined) {
    // from here on it is the new server that hands things over
    beginMove(state, identity.route.server, moving, save)
    return { identity, book, taken: ['binding', 'server-entry', 'certificate'], change: 'server' }
  }
  const keep = keepKeys(state, epochs)
  const formers = formerStatements(state)
  const before: Known = { identity, bundle, book, pins, certificate, keep, formers, turned: false }
  const taken: string[] = []
  let known = before
  for (const form of inOrder(statements)) {
    const next = takeStatement(known, form)
    if (next === undefined) continue
    known = next
    taken.push(form.type)
  }
  const renewed = takeCertificate(known)
  if (renewed !== undefined) {
    known = renewed
    taken.push('certificate')
  }
  if (taken.length === 0) return { identity, book, taken, change: undefined }
  store(state, before, known, save)
  const after = routed(state, save)
  return { identity: after, book: readBook(state, after), taken, change: changeOf(before, known) }
}
