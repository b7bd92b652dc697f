import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { base64url } from '../../src/base/bytes.ts'
import { isFault } from '../../src/base/fault.ts'
import { formerFolder } from '../../src/identity/former.ts'
import { loadIdentity } from '../../src/identity/identity.ts'
import { readKeys } from '../../src/identity/keys.ts'
import { acceptBundle, makeNext, makeRequest } from '../../src/identity/provision.ts'
import type { Request } from '../../src/wire/registry.ts'
import { makeRegistry, publicText, type StandIn } from './registry-stand-in.ts'
import { type Box, bodyOf, facts, makeBox, named, powerCut } from './turning.ts'

let standIn: StandIn
let box: Box
beforeAll(() => {
  standIn = makeRegistry()
})
beforeEach(async () => {
  box = await makeBox(standIn)
})
afterEach(() => box.remove())
afterAll(() => rmSync(standIn.folder, { recursive: true }))

test('new keys are proposed beside the present ones, under which everything goes on; asked again they are the same', async () => {
  const before = box.identity()
  const request = await box.propose()
  const after = box.identity()
  expect(named(after)).toEqual(named(before))
  expect(after.request).toEqual(before.request)
  expect(request.gateway).toBe(before.gateway)
  const own = named(before)
  expect([own.sign, own.box]).not.toEqual([request.keys.sign, request.keys.box])
  expect(await box.propose()).toEqual(request)
  const both = await Promise.all([makeNext(box.state, facts), makeNext(box.state, facts)])
  for (const { already, identity } of both) {
    expect([already, bodyOf(identity.keys.next!.request)]).toEqual([true, request])
  }
  const secret = base64url(after.keys.next!.keys.signSeed)
  for (const name of readdirSync(box.state))
    expect(readFileSync(join(box.state, name), 'latin1')).not.toContain(secret)
})

test('two who ask at once are told of the same keys', async () => {
  const both = await Promise.all([makeNext(box.state, facts), makeNext(box.state, facts)])
  const [one, other] = both.map(({ identity }) => identity.keys.next!.request)
  expect(one).toEqual(other)
  expect(both.map(({ already }) => already).sort()).toEqual([false, true])
})

test('a box without keys has none to follow', async () => {
  await expect(makeNext(join(box.state, 'empty'), facts)).rejects.toMatchObject({
    code: 'identity.unprovisioned',
  })
})

test('a binding to the proposed keys with their certificate turns to them, and the former are gone', async () => {
  const before = box.identity()
  const former = openSync(join(box.state, 'keys.sealed'), 'r')
  const request = await box.propose()
  const latest = openSync(join(box.state, 'keys.sealed'), 'r')
  const handed = box.bound(request, 2)
  const { change, taken, identity } = box.take(handed)
  expect([change, taken]).toEqual(['keys', ['binding']])
  for (const one of [identity, box.identity()]) {
    expect(named(one)).toEqual({ ...request.keys, tls: one.route.binding.keys.tls })
    expect(bodyOf<Request>(one.request).keys).toEqual(request.keys)
    expect([one.route.binding.version, one.route.certificate]).toEqual([2, handed.certificate])
    expect([one.phase, one.keys.next, one.keys.pins?.versions.binding]).toEqual(['provisioned', undefined, 2])
    expect(one.keys.sign.kid).not.toBe(before.keys.sign.kid)
  }
  // every edition that held the former keys is overwritten
  for (const file of [former, latest]) {
    const held = Buffer.alloc(16_384)
    const length = readSync(file, held, 0, held.length, 0)
    expect(length).toBeGreaterThan(0)
    expect(held.subarray(0, length).every(byte => byte === 0)).toBe(true)
    closeSync(file)
  }
  expect(readdirSync(box.state).sort()).toEqual(
    ['identity.json', 'keyfile.secret', 'keys.sealed', 'route.json'].sort(),
  )
  // the same again is nothing new
  expect(box.take(handed)).toMatchObject({ taken: [], change: undefined })
})

test('three turns in a row', async () => {
  const seen = new Set([box.identity().keys.sign.kid])
  for (const version of [2, 3, 4]) {
    expect(box.take(box.bound(await box.propose(), version)).change).toBe('keys')
    seen.add(box.identity().keys.sign.kid)
    expect((await makeRequest(box.state, facts)).identity.request).toEqual(box.identity().request)
  }
  expect(seen.size).toBe(4)
})

test('what does not name exactly the proposed keys, comes without their certificate or too early is passed over', async () => {
  const before = readFileSync(join(box.state, 'route.json'), 'utf8')
  const own = named(box.identity())
  const request = await box.propose()
  const sealed = readFileSync(join(box.state, 'keys.sealed'))
  const good = box.bound(request, 2)
  const { keys } = bodyOf<{ keys: { sign: string; box: string; tls: string } }>(good.statements[0]!)
  const other = `${'d'.repeat(25)}a`
  const refused: [string, Parameters<Box['take']>[0]][] = [
    ['no certificate', { statements: good.statements }],
    ['the certificate of the present key', { ...good, certificate: box.bundle.certificate }],
    ['a former version', box.bound(request, 1)],
    ['another gateway', { ...good, statements: [box.binding({ version: 2, keys, gateway: other })] }],
    ['33 epochs', { ...good, epochs: 33 }],
    ...(['sign', 'box', 'tls'] as const).map((one): [string, Parameters<Box['take']>[0]] => [
      `the present ${one} key`,
      { ...good, statements: [box.binding({ version: 2, keys: { ...keys, [one]: own[one] } })] },
    ]),
    [
      'a stranger’s box key',
      { ...good, statements: [box.binding({ version: 2, keys: { ...keys, box: publicText('x25519') } })] },
    ],
  ]
  for (const [what, handed] of refused) {
    expect([what, box.take(handed).change]).toEqual([what, undefined])
    expect(readFileSync(join(box.state, 'route.json'), 'utf8')).toBe(before)
    expect(readFileSync(join(box.state, 'keys.sealed'))).toEqual(sealed)
  }
  // rows on their way to a former server keep the keys that it knows
  mkdirSync(formerFolder(box.state, other), { recursive: true, mode: 0o700 })
  expect(box.take(good).change).toBe(undefined)
  expect(() =>
    acceptBundle(
      box.state,
      JSON.stringify({ ...box.bundle, binding: good.statements[0], certificate: good.certificate }),
      undefined,
    ),
  ).toThrow(/have to wait/)
})

test('32 epochs do not keep the keys back', async () => {
  expect(box.take({ ...box.bound(await box.propose(), 2), epochs: 32 }).change).toBe('keys')
})

test('the plug pulled before any write leaves the one keys with the one route, and the update again turns', async () => {
  const whole = powerCut(Number.POSITIVE_INFINITY)
  box.take(box.bound(await box.propose(), 2), whole.save)
  expect(whole.count()).toBeGreaterThan(2)
  let turned = 0
  for (let after = 0; after < whole.count(); after++) {
    const own = await makeBox(standIn)
    const before = named(own.identity())
    const request = await own.propose()
    const handed = own.bound(request, 2)
    expect(() => own.take(handed, powerCut(after).save)).toThrow('power cut')
    // and once more while the start puts it right
    try {
      loadIdentity(own.state, powerCut(0).save)
    } catch (error) {
      expect(isFault(error)).toBe(false)
    }
    const found = own.identity()
    const isNew = named(found).sign === request.keys.sign
    expect(named(found)).toEqual(isNew ? { ...request.keys, tls: found.route.binding.keys.tls } : before)
    expect(found.route.binding.keys).toEqual(named(found))
    expect(bodyOf<Request>(found.request).keys.sign).toBe(named(found).sign)
    expect(found.route.certificate === handed.certificate).toBe(isNew)
    if (isNew) turned++
    own.take(handed)
    expect(named(own.identity()).sign).toBe(request.keys.sign)
    expect(own.identity().route.binding.version).toBe(2)
    own.remove()
  }
  expect([turned > 0, turned < whole.count()]).toEqual([true, true])
})

test('a bundle that names the proposed keys does what an update does, wherever it is cut short', async () => {
  for (let after = 0; after <= 4; after++) {
    const own = await makeBox(standIn)
    const request = await own.propose()
    const { statements, certificate } = own.bound(request, 2)
    const text = JSON.stringify({ ...own.bundle, binding: statements[0], certificate })
    try {
      acceptBundle(own.state, text, undefined, powerCut(after).save)
    } catch (error) {
      expect(String(error)).toContain('power cut')
    }
    const between = own.identity()
    expect(between.route.binding.keys).toEqual(named(between))
    expect(acceptBundle(own.state, text, undefined).identity.phase).toBe('provisioned')
    expect(named(own.identity()).sign).toBe(request.keys.sign)
    expect(acceptBundle(own.state, text, undefined).already).toBe(true)
    own.remove()
  }
})

test('former keys that a crash left are overwritten at the next start, and never the present ones', async () => {
  const path = join(box.state, 'keys.sealed')
  const { gateway } = readKeys(box.state)
  // before the new file was written: the second name is the present file
  linkSync(path, `${path}.former`)
  loadIdentity(box.state)
  expect(readKeys(box.state).gateway).toBe(gateway)
  expect(existsSync(`${path}.former`)).toBe(false)
  // after it was written, with an unfinished writing beside it
  for (const end of ['former', '0123456789ab.tmp'])
    writeFileSync(`${path}.${end}`, 'former keys', { mode: 0o600 })
  const left = openSync(`${path}.former`, 'r')
  loadIdentity(box.state)
  const held = Buffer.alloc(11)
  readSync(left, held, 0, 11, 0)
  closeSync(left)
  expect(held.equals(Buffer.alloc(11))).toBe(true)
  expect(readdirSync(box.state).filter(name => name.startsWith('keys.sealed'))).toEqual(['keys.sealed'])
  expect(readKeys(box.state).gateway).toBe(gateway)
  expect(statSync(path).mode & 0o777).toBe(0o600)
})
