import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { loadIdentity } from '../../src/identity/identity.ts'
import { acceptBundle } from '../../src/identity/provision.ts'
import { certificatesOf, promoteCertificate } from '../../src/identity/renewal.ts'
import { makeRegistry, type StandIn } from './registry-stand-in.ts'
import { type Box, certificateFor, makeBox, named, powerCut } from './turning.ts'

// the bundle's certificate is issued for 3650 days
let standIn: StandIn
let other: StandIn
let box: Box
beforeAll(() => {
  standIn = makeRegistry()
  other = makeRegistry()
})
beforeEach(async () => {
  box = await makeBox(standIn)
})
afterEach(() => box.remove())
afterAll(() => {
  for (const { folder } of [standIn, other]) rmSync(folder, { recursive: true })
})

const routeFile = (): string => join(box.state, 'route.json')

test('a later certificate is kept beside the present one, tried first, and is the only one once it has done', () => {
  const first = box.bundle.certificate
  const next = certificateFor(standIn, box, 4000)
  expect(box.take({ certificate: next })).toMatchObject({ taken: ['certificate'], change: 'certificate' })
  const { route } = box.identity()
  expect(certificatesOf(route)).toEqual([next, first])
  expect(route.certificate).toBe(first)
  expect(route.renewed!.notAfter).toBeGreaterThan(route.notAfter)
  // the welcome came over the old one: nothing is promoted
  expect(promoteCertificate(box.state, route, first)).toEqual(route)
  expect(certificatesOf(box.identity().route)).toEqual([next, first])
  const promoted = promoteCertificate(box.state, route, next)
  for (const one of [promoted, box.identity().route]) {
    expect([certificatesOf(one), one.notAfter]).toEqual([[next], route.renewed!.notAfter])
  }
  expect(readFileSync(routeFile(), 'utf8')).not.toContain(JSON.stringify(first))
  // handed over again it is nothing new, nor is the first
  for (const certificate of [next, first]) expect(box.take({ certificate }).taken).toEqual([])
})

test('a certificate that is not later, not ours, not for clients or of another CA is passed over', async () => {
  const before = readFileSync(routeFile(), 'utf8')
  const stranger = await makeBox(standIn)
  const refused = [
    certificateFor(standIn, box, 3000),
    certificateFor(standIn, stranger, 4000),
    certificateFor(other, box, 4000),
    'no certificate',
    certificateFor(standIn, box, 4000, 'serverAuth'),
  ]
  for (const certificate of refused) expect(box.take({ certificate }).taken).toEqual([])
  expect(readFileSync(routeFile(), 'utf8')).toBe(before)
  stranger.remove()
})

test('while one waits only a later one takes its place; the plug pulled anywhere loses neither', () => {
  const [one, two] = [4000, 4100].map(days => certificateFor(standIn, box, days))
  box.take({ certificate: one! })
  expect(box.take({ certificate: certificateFor(standIn, box, 3900) }).taken).toEqual([])
  expect(() => box.take({ certificate: two! }, powerCut(0).save)).toThrow('power cut')
  expect(box.identity().route.renewed?.certificate).toBe(one)
  box.take({ certificate: two! })
  const { route } = box.identity()
  expect(certificatesOf(route)).toEqual([two, box.bundle.certificate])
  expect(() => promoteCertificate(box.state, route, two!, powerCut(0).save)).toThrow('power cut')
  expect(certificatesOf(box.identity().route)).toEqual([two, box.bundle.certificate])
})

test('one on disk that does not hold is passed over, and the route stays', () => {
  const file = JSON.parse(readFileSync(routeFile(), 'utf8'))
  for (const renewed of [certificateFor(other, box, 4000), 'none']) {
    writeFileSync(routeFile(), JSON.stringify({ ...file, renewed }))
    const identity = loadIdentity(box.state)
    expect([identity.phase, identity.route?.renewed]).toEqual(['provisioned', undefined])
  }
})

test('a newer entry keeps what waits; one that has done with the old CA takes the certificate of the new', () => {
  const next = certificateFor(standIn, box, 4000)
  box.take({ certificate: next })
  expect(box.take({ statements: [box.entry({ version: 2 })] }).change).toBe('entry')
  expect(certificatesOf(box.identity().route)).toEqual([next, box.bundle.certificate])
  const entry = box.entry({ version: 3, ca: [other.ca] })
  expect(box.take({ statements: [entry] }).taken).toEqual([])
  const theirs = certificateFor(other, box, 3650)
  expect(box.take({ statements: [entry], certificate: theirs }).change).toBe('entry')
  expect(certificatesOf(box.identity().route)).toEqual([theirs])
})

test('new keys drop what waited for the old ones', async () => {
  box.take({ certificate: certificateFor(standIn, box, 4000) })
  const request = await box.propose()
  const handed = box.bound(request, 2)
  box.take(handed)
  expect(certificatesOf(box.identity().route)).toEqual([handed.certificate])
  expect(named(box.identity()).sign).toBe(request.keys.sign)
})

test('an old bundle that is accepted again does not undo a renewal', () => {
  const next = certificateFor(standIn, box, 4000)
  box.take({ certificate: next })
  promoteCertificate(box.state, box.identity().route, next)
  expect(acceptBundle(box.state, JSON.stringify(box.bundle), undefined).already).toBe(true)
  expect(box.identity().route.certificate).toBe(next)
})
