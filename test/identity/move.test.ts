import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { Fault } from '../../src/base/fault.ts'
import {
  forgetFormer,
  formerFolder,
  formerServers,
  readFormer,
  sweepFormer,
} from '../../src/identity/former.ts'
import { type Identity, loadIdentity } from '../../src/identity/identity.ts'
import { beginMove, type Disk, endMove, finishMove, hasArrived, realDisk } from '../../src/identity/move.ts'
import { acceptMove } from '../../src/identity/move-accept.ts'
import { acceptBundle, makeRequest } from '../../src/identity/provision.ts'
import type { Routed } from '../../src/identity/registry-book.ts'
import { takeUpdate } from '../../src/identity/update.ts'
import type { Bundle, Request } from '../../src/wire/registry.ts'
import { decodeBody, unpublish } from '../../src/wire/statement.ts'
import { rootWords } from '../../src/wire/words.ts'
import { makeBundle, makeRegistry, type StandIn, serverId, type Wishes } from './registry-stand-in.ts'

let first: StandIn
let second: StandIn
let state = ''
let request: Request
beforeAll(() => {
  first = makeRegistry()
  // another server with a CA of its own, under the same root
  second = { ...makeRegistry(), root: first.root }
})
afterAll(() => {
  for (const { folder } of [first, second]) rmSync(folder, { recursive: true })
})
beforeEach(async () => {
  state = join(mkdtempSync(join(tmpdir(), 'vitalgate-move-')), 'state')
  const clock = { now: () => 1_780_000_000_000, mono: () => 0 }
  const { identity } = await makeRequest(state, { hardware: 'bench', software: '0.1.0', clock })
  request = decodeBody(unpublish(identity.request).body) as unknown as Request
  const bundle = makeBundle(first, request, { entryVersion: 3 })
  acceptBundle(state, JSON.stringify(bundle), rootWords(first.root.publicKey).join(' '))
  for (const [name, text] of Object.entries(own)) writeFileSync(join(state, name), text)
})
afterEach(() => rmSync(join(state, '..'), { recursive: true }))

/** What belongs to the route beside route.json; what stands in it is looked at by nobody here. */
const own: Record<string, string> = {
  'outbox.db': 'rows',
  'outbox.db-wal': 'rows that are not folded in yet',
  'outbox.db.ballast': 'ballast',
  'outbox.db.corrupt-1': 'what was put aside',
}
const other = `${'d'.repeat(25)}a`
const routed = (): Routed & Identity => loadIdentity(state) as Routed & Identity
const away = (wishes: Wishes = {}): Bundle =>
  makeBundle(second, request, { server: other, bindingVersion: 2, ...wishes })
const handed = ({ binding, serverEntry, certificate }: Bundle) => ({
  ...{ statements: [binding, serverEntry], certificate, epochs: 1 },
})
const textsOf = (folder: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder)
      .filter(name => name.startsWith('outbox.db'))
      .map(name => [name, readFileSync(join(folder, name), 'utf8')]),
  )

/** Where the box is, in every respect that a move concerns. */
const standing = () => {
  const { route, keys } = routed()
  const { binding, serverEntry } = keys.pins!.versions
  return {
    server: route.server,
    versions: { binding, serverEntry },
    outbox: textsOf(state),
    formers: formerServers(state).map(server => [server, textsOf(formerFolder(state, server))]),
  }
}

const moved = {
  server: other,
  versions: { binding: 2, serverEntry: 1 },
  outbox: {},
  formers: [[serverId, own]],
}

test('an update with binding, entry and certificate of another server moves the box, and its old rows stay theirs', () => {
  const { change, taken, identity } = takeUpdate(state, handed(away()))
  expect([change, taken]).toEqual(['server', ['binding', 'server-entry', 'certificate']])
  // decided, and nothing has changed while the outbox is open
  expect(identity.route.server).toBe(serverId)
  expect(textsOf(state)).toEqual(own)
  expect([finishMove(state), finishMove(state), hasArrived(state)]).toEqual([true, false, true])
  expect(standing()).toEqual(moved)
  const former = readFormer(state, serverId, routed().keys)
  expect([former.server, former.binding.version, former.entry.version]).toEqual([serverId, 1, 3])
  endMove(state)
  expect(hasArrived(state)).toBe(false)
})

test('what does not come together, or does not hold, moves nothing', () => {
  const { binding, serverEntry, certificate } = away()
  const foreign = makeRegistry()
  const own1 = makeBundle(first, request, { server: other, bindingVersion: 2 })
  const updates = [
    { statements: [binding, serverEntry], epochs: 1 },
    { statements: [binding], certificate, epochs: 1 },
    { statements: [serverEntry], certificate, epochs: 1 },
    // a certificate of the old server's CA
    { statements: [binding, serverEntry], certificate: own1.certificate, epochs: 1 },
    // not later than what was seen
    handed(away({ bindingVersion: 1 })),
    // another registry's
    handed(makeBundle(foreign, request, { server: other, bindingVersion: 2 })),
    // an entry of a third server
    handed(away({ entryServer: `${'e'.repeat(25)}a` })),
    // another box's keys
    handed(away({ keys: { tls: 'cd'.repeat(32) } })),
  ]
  for (const update of updates) {
    expect(takeUpdate(state, update).change).not.toBe('server')
    expect(finishMove(state)).toBe(false)
  }
  expect(routed().route.server).toBe(serverId)
  // the binding alone was kept and told; with the others it moves all the same
  expect(takeUpdate(state, handed(away())).change).toBe('server')
  rmSync(foreign.folder, { recursive: true })
})

test('a bundle moves the box only when a person agrees, under the same root and with a later binding', () => {
  const text = JSON.stringify(away())
  expect(() => acceptMove(state, text, undefined, false)).toThrow(
    expect.objectContaining({ code: 'route.moves' }),
  )
  expect(() => acceptMove(state, text, 'one two three four five six', true)).toThrow(
    expect.objectContaining({ code: 'words.mismatch' }),
  )
  const older = JSON.stringify(away({ bindingVersion: 1 }))
  expect(() => acceptMove(state, older, undefined, true)).toThrow(/has seen version 1/)
  const foreign = makeRegistry()
  const strange = JSON.stringify(makeBundle(foreign, request, { server: other, bindingVersion: 2 }))
  // no move, and as a bundle it is refused
  expect(acceptMove(state, strange, undefined, true)).toBeUndefined()
  expect(() => acceptBundle(state, strange, undefined)).toThrow(/another registry/)
  rmSync(foreign.folder, { recursive: true })
  expect(finishMove(state)).toBe(false)
  // a bundle of the own server is none that moves
  expect(acceptMove(state, JSON.stringify(makeBundle(first, request)), undefined, true)).toBeUndefined()
  expect(acceptMove(state, text, rootWords(first.root.publicKey).join(' '), true)).toBe(serverId)
  finishMove(state)
  expect(standing()).toEqual(moved)
})

/** With the rights of every file, which cpSync leaves to the umask. */
const copy = (from: string, to: string): void => void execFileSync('cp', ['-a', from, to])

/** A disk whose power goes before its n-th change. */
function failing(changes: number): Disk {
  let left = changes
  const cut = <A extends unknown[]>(act: (...given: A) => void): ((...given: A) => void) => {
    return (...given) => {
      if (left === 0) throw new Error('power')
      left--
      act(...given)
    }
  }
  const { save, rename, remove } = realDisk
  return { save: cut(save), rename: cut(rename), remove: cut(remove) }
}

/** Cuts the power before every single change, and again while that is carried through; what each ends in. */
function ends(begin: () => void, look: () => unknown): unknown[] {
  const found: unknown[] = []
  begin()
  const kept = `${state}.kept`
  copy(state, kept)
  const again = (): void => {
    rmSync(state, { recursive: true })
    copy(kept, state)
  }
  const tried = (changes: number): boolean => {
    try {
      finishMove(state, failing(changes))
      return true
    } catch (error) {
      if ((error as Error).message !== 'power') throw error
      // whatever it stopped at, who looks at the folder finds an identity
      expect(loadIdentity(state).phase).not.toBe('fresh')
      return false
    }
  }
  for (let one = 0; ; one++) {
    let done = false
    for (let two = 0; !done; two++) {
      again()
      if (tried(one)) return found
      done = tried(two)
      finishMove(state)
      found.push(look())
    }
  }
}

test('the power may go before any change on disk, and once more: the box comes to the same place', () => {
  // of a higher version than the first server's: taken for one of that, it would be believed as well
  const begin = () => beginMove(state, serverId, away({ entryVersion: 5 }))
  const found = ends(begin, () => [standing(), routed().keys.pins?.servers])
  const there = { ...moved, versions: { binding: 2, serverEntry: 5 } }
  for (const one of found) expect(one).toEqual([there, [{ server: serverId, serverEntry: 3 }]])
  expect(found.length).toBeGreaterThan(40)
})

test('a disk that is full gives up the ballast of the outbox, and the box moves', () => {
  beginMove(state, serverId, away())
  const save: Disk['save'] = (path, text, mode) => {
    const places = [state, formerFolder(state, serverId)]
    if (places.some(one => existsSync(join(one, 'outbox.db.ballast')))) throw new Fault('disk.full', path)
    realDisk.save(path, text, mode)
  }
  expect(finishMove(state, { ...realDisk, save })).toBe(true)
  const { 'outbox.db.ballast': _, ...others } = own
  expect(standing()).toEqual({ ...moved, formers: [[serverId, others]] })
})

test('moved back while rows still wait, the box has its former outbox again, and what it has seen of both servers', () => {
  takeUpdate(state, handed(away({ entryVersion: 5 })))
  finishMove(state)
  writeFileSync(join(state, 'outbox.db'), 'rows of the second')
  const stale = makeBundle(first, request, { bindingVersion: 3, entryVersion: 2 })
  expect(takeUpdate(state, handed(stale)).change).toBeUndefined()
  const back = makeBundle(first, request, { bindingVersion: 3, entryVersion: 3 })
  const begin = () => {
    expect(takeUpdate(state, handed(back)).change).toBe('server')
  }
  const home = {
    server: serverId,
    versions: { binding: 3, serverEntry: 3 },
    outbox: own,
    formers: [[other, { 'outbox.db': 'rows of the second' }]],
  }
  const found = ends(begin, () => [standing(), routed().keys.pins?.servers])
  expect(found.length).toBeGreaterThan(40)
  for (const one of found)
    expect(one).toEqual([home, [{ server: other, serverEntry: 5, devices: 0, revocations: 0 }]])
})

test('a fifth former server is refused, and a place is free again when one is forgotten', () => {
  const serverOf = (n: number) => `${'abcdef'[n]!.repeat(25)}a`
  const go = (n: number) =>
    takeUpdate(state, handed(away({ server: serverOf(n), bindingVersion: 10 + n }))).change
  for (const n of [0, 1, 3, 4]) {
    expect(go(n)).toBe('server')
    finishMove(state)
    endMove(state)
  }
  expect(formerServers(state)).toHaveLength(4)
  // the certificate that comes along may be a later one than that held, which is taken for itself
  expect(go(5)).not.toBe('server')
  expect(() =>
    acceptMove(state, JSON.stringify(away({ server: serverOf(5), bindingVersion: 15 })), undefined, true),
  ).toThrow(/4 former servers/)
  forgetFormer(state, serverId)
  expect([formerServers(state).length, go(5)]).toEqual([3, 'server'])
})

test('a former route that was being deleted is deleted at the next start', () => {
  takeUpdate(state, handed(away()))
  finishMove(state)
  const folder = formerFolder(state, serverId)
  copy(folder, `${folder}.gone`)
  sweepFormer(state)
  expect([existsSync(`${folder}.gone`), formerServers(state)]).toEqual([false, [serverId]])
  forgetFormer(state, serverId)
  expect(readdirSync(join(state, 'former'))).toEqual([])
})
