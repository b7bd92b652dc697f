import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from '@jest/globals'
import { base64url, unbase64url } from '../../src/base/bytes.ts'
import { Fault } from '../../src/base/fault.ts'
import { writeFileAtomic } from '../../src/base/files.ts'
import { loadIdentity } from '../../src/identity/identity.ts'
import type { Save } from '../../src/identity/places.ts'
import { acceptBundle, makeRequest, markProvisioned } from '../../src/identity/provision.ts'
import { makePair, signingKey, verifyKey } from '../../src/wire/keys.ts'
import { type Request, verifyRegistry } from '../../src/wire/registry.ts'
import { type PublicStatement, unpublish } from '../../src/wire/statement.ts'
import { rootWords } from '../../src/wire/words.ts'
import { makeBundle, makeRegistry, publicText, serverId, type Wishes } from './registry-stand-in.ts'

const registry = makeRegistry()
const folders = [registry.folder]
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true })
})

const newState = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'vitalgate-identity-'))
  folders.push(folder)
  return join(folder, 'state')
}
const clock = { now: () => 1_700_000_000_000, mono: () => 0 }
const facts = { hardware: 'test box', software: '0.0.0', clock }
const words = rootWords(registry.root.publicKey).join(' ')

const bodyOf = (request: PublicStatement): Request => {
  const statement = unpublish(request)
  const { keys } = JSON.parse(Buffer.from(statement.body).toString()) as Request
  return verifyRegistry('request', statement, verifyKey(unbase64url(keys.sign)))
}

async function requested(): Promise<{ state: string; request: Request }> {
  const state = newState()
  const { identity } = await makeRequest(state, facts)
  return { state, request: bodyOf(identity.request) }
}

const codeThrown = (act: () => unknown): string => {
  try {
    act()
  } catch (error) {
    if (error instanceof Fault) return error.code
    throw error
  }
  return 'nothing'
}

const bundleText = (request: Request, wishes: Wishes = {}): string =>
  JSON.stringify(makeBundle(registry, request, wishes))

test('a request proves all three keys, and asked again it is the same', async () => {
  const state = newState()
  expect(loadIdentity(state).phase).toBe('fresh')
  const first = await makeRequest(state, facts)
  expect([first.already, first.identity.phase]).toEqual([false, 'requested'])
  const request = bodyOf(first.identity.request)
  expect(request.gateway).toMatch(/^[a-z2-7]{26}$/)
  writeFileSync(join(state, 'csr'), request.csr)
  const said = execFileSync(
    'openssl',
    ['req', '-in', join(state, 'csr'), '-noout', '-verify', '-subject', '-text'],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  ).toString()
  expect(said).toMatch(new RegExp(`subject=CN ?= ?${request.gateway}\n`))
  expect(said).toContain('P-256')
  const again = await makeRequest(state, { ...facts, hardware: 'moved' })
  expect(again.already).toBe(true)
  expect(again.identity.request).toEqual(first.identity.request)
})

test('secrets are for their owner only, and public files hold none of them', async () => {
  const { state } = await requested()
  expect(statSync(state).mode & 0o777).toBe(0o700)
  for (const name of ['keys.sealed', 'keyfile.secret'])
    expect(statSync(join(state, name)).mode & 0o777).toBe(0o600)
  const identity = loadIdentity(state)
  if (identity.phase === 'fresh') throw new Error('no keys')
  for (const name of readdirSync(state)) {
    const text = readFileSync(join(state, name), 'latin1')
    expect(text).not.toContain(base64url(identity.keys.signSeed))
    expect(text).not.toContain('PRIVATE KEY')
  }
  chmodSync(join(state, 'keyfile.secret'), 0o644)
  expect(codeThrown(() => loadIdentity(state))).toBe('permission')
  rmSync(join(state, 'keyfile.secret'))
  expect(codeThrown(() => loadIdentity(state))).toBe('key.missing')
})

test('the whole way: request, accept, provisioned, each step again is already so', async () => {
  const { state, request } = await requested()
  const text = bundleText(request)
  const accepted = acceptBundle(state, text, ` ${words.toUpperCase().replaceAll(' ', '-')}`)
  expect([accepted.already, accepted.identity.phase]).toEqual([false, 'accepted'])
  expect(accepted.identity.route.server).toBe(serverId)
  expect(acceptBundle(state, text, undefined).already).toBe(true)
  expect(markProvisioned(state, clock).already).toBe(false)
  expect(loadIdentity(state).phase).toBe('provisioned')
  expect(markProvisioned(state, clock).already).toBe(true)
  expect(acceptBundle(state, text, words).identity.phase).toBe('provisioned')
})

test('steps out of order are told', async () => {
  expect(codeThrown(() => acceptBundle(newState(), '{}', words))).toBe('identity.unprovisioned')
  const { state } = await requested()
  expect(codeThrown(() => markProvisioned(state, clock))).toBe('identity.unprovisioned')
})

const stranger = signingKey(makePair('ed25519').secret)
const other = makeRegistry()
folders.push(other.folder)

test.each<[string, Wishes | ((text: string) => string), string]>([
  ['is no JSON', text => text.slice(0, -5), 'bundle.invalid'],
  ['has an unknown member', text => text.replace('{', '{"more":1,'), 'bundle.invalid'],
  [
    'has a root of small order',
    text => text.replace(/"root":"[^"]*"/, `"root":"${'A'.repeat(43)}"`),
    'bundle.invalid',
  ],
  ['is for another gateway', { gateway: `${'d'.repeat(25)}a` }, 'bundle.foreign'],
  ['binds another signing key', { keys: { sign: publicText('ed25519') } }, 'bundle.foreign'],
  ['binds another box key', { keys: { box: publicText('x25519') } }, 'bundle.foreign'],
  ['binds another TLS key', { keys: { tls: '00'.repeat(32) } }, 'bundle.foreign'],
  ['has the certificate of another key', { certificate: registry.ca }, 'bundle.foreign'],
  ['has a certificate that no CA of the entry issued', { ca: other.ca }, 'bundle.invalid'],
  ['names two servers', { entryServer: `${'e'.repeat(25)}a` }, 'bundle.invalid'],
  ['is signed by another root', { signer: stranger }, 'route.refused'],
])('a bundle that %s is refused and changes nothing', async (_, bend, code) => {
  const { state, request } = await requested()
  const text = typeof bend === 'function' ? bend(bundleText(request)) : bundleText(request, bend)
  const before = readdirSync(state).map(name => readFileSync(join(state, name), 'latin1'))
  expect(codeThrown(() => acceptBundle(state, text, words))).toBe(code)
  expect(readdirSync(state).map(name => readFileSync(join(state, name), 'latin1'))).toEqual(before)
})

test('a statement with one changed bit is refused', async () => {
  const { state, request } = await requested()
  const bundle = makeBundle(registry, request)
  const body = Buffer.from(bundle.serverEntry.body, 'base64url')
  body[body.indexOf('broker.example')]! ^= 1
  bundle.serverEntry.body = body.toString('base64url')
  expect(codeThrown(() => acceptBundle(state, JSON.stringify(bundle), words))).toBe('route.refused')
})

test('the root is believed only by its words, a successor only by its own', async () => {
  const { state, request } = await requested()
  const wrong = rootWords(stranger.publicKey).join(' ')
  const successor = base64url(other.root.publicKey)
  const text = bundleText(request, { successor })
  expect(codeThrown(() => acceptBundle(state, text, undefined))).toBe('words.mismatch')
  expect(codeThrown(() => acceptBundle(state, text, wrong))).toBe('words.mismatch')
  acceptBundle(state, text, words)
  const later = JSON.stringify({
    ...makeBundle(registry, request, { signer: other.root, bindingVersion: 2, entryVersion: 2 }),
    root: successor,
  })
  expect(codeThrown(() => acceptBundle(state, later, undefined))).toBe('words.mismatch')
  const third = JSON.stringify({
    ...makeBundle(registry, request, { signer: stranger, bindingVersion: 2, entryVersion: 2 }),
    root: base64url(stranger.publicKey),
  })
  expect(codeThrown(() => acceptBundle(state, third, wrong))).toBe('route.refused')
  const theirs = rootWords(other.root.publicKey).join(' ')
  expect(acceptBundle(state, later, theirs).identity.keys.pins?.root).toBe(successor)
})

test('a later bundle cannot slip in another successor: the bundle is not signed', async () => {
  const { state, request } = await requested()
  acceptBundle(state, bundleText(request), words)
  const later = bundleText(request, {
    bindingVersion: 2,
    entryVersion: 2,
    successor: base64url(stranger.publicKey),
  })
  expect(acceptBundle(state, later, undefined).identity.keys.pins?.successor).toBe(null)
})

test('versions only rise, one version is one statement, and the server stays', async () => {
  const { state, request } = await requested()
  const accept = (wishes: Wishes) =>
    codeThrown(() => acceptBundle(state, bundleText(request, wishes), undefined))
  acceptBundle(state, bundleText(request, { bindingVersion: 3, entryVersion: 5 }), words)
  expect(accept({ bindingVersion: 2, entryVersion: 6 })).toBe('route.refused')
  expect(accept({ bindingVersion: 3, entryVersion: 4 })).toBe('route.refused')
  expect(accept({ bindingVersion: 3, entryVersion: 5 })).toBe('route.refused')
  expect(accept({ bindingVersion: 4, entryVersion: 6, server: `${'e'.repeat(25)}a` })).toBe('route.refused')
  expect(accept({ bindingVersion: 4, entryVersion: 6 })).toBe('nothing')
})

test('a route put on disk by somebody else leaves the box unprovisioned, with the reason', async () => {
  const { state, request } = await requested()
  const first = bundleText(request, { bindingVersion: 1, entryVersion: 1 })
  acceptBundle(state, first, words)
  const old = readFileSync(join(state, 'route.json'))
  acceptBundle(state, bundleText(request, { bindingVersion: 2, entryVersion: 2 }), undefined)
  const refusedAfter = (content: string | Uint8Array) => {
    writeFileSync(join(state, 'route.json'), content)
    const identity = loadIdentity(state)
    return identity.phase === 'requested' ? identity.refused?.code : identity.phase
  }
  expect(refusedAfter(old)).toBe('route.refused')
  const forged = makeBundle(registry, request, { signer: other.root, bindingVersion: 3, entryVersion: 3 })
  const asRoot = { route: 1, bundle: { ...forged, root: base64url(other.root.publicKey) } }
  expect(refusedAfter(JSON.stringify(asRoot))).toBe('route.refused')
  expect(refusedAfter(JSON.stringify({ route: 1, bundle: forged }))).toBe('route.refused')
  expect(refusedAfter('{')).toBe('route.refused')
})

/** Writes as usual until the power goes: before write number `after`, or after it has been renamed. */
const powerCut = (after: number): { save: Save; count: () => number } => {
  let count = 0
  return {
    count: () => count,
    save: (...words) => {
      if (count === after) throw new Error('power cut')
      count += 1
      writeFileAtomic(...words)
    },
  }
}

test('a crash between any two writes leaves a state from which the same command goes on', async () => {
  const whole = powerCut(Number.POSITIVE_INFINITY)
  await makeRequest(newState(), facts, whole.save)
  expect(whole.count()).toBe(3)
  for (let after = 0; after < 3; after++) {
    const state = newState()
    await expect(makeRequest(state, facts, powerCut(after).save)).rejects.toThrow('power cut')
    const { identity } = await makeRequest(state, facts)
    expect(identity.phase).toBe('requested')
    const text = bundleText(bodyOf(identity.request))
    expect(() => acceptBundle(state, text, words, powerCut(0).save)).toThrow('power cut')
    expect(loadIdentity(state, powerCut(0).save).phase).toBe('requested')
    expect(() => acceptBundle(state, text, words, powerCut(1).save)).toThrow('power cut')
    expect(loadIdentity(state).phase).toBe('requested')
    expect(() => acceptBundle(state, text, undefined, powerCut(1).save)).toThrow('power cut')
    const { identity: known, already } = acceptBundle(state, text, undefined)
    expect([already, known.phase, known.keys.pins?.versions]).toEqual([
      true,
      'accepted',
      { binding: 1, serverEntry: 1 },
    ])
    expect(() => markProvisioned(state, clock, powerCut(0).save)).toThrow('power cut')
    expect(loadIdentity(state).phase).toBe('accepted')
    expect(markProvisioned(state, clock).identity.phase).toBe('provisioned')
  }
})

test('a later bundle cut short keeps either the old route or the new one, never none', async () => {
  for (const after of [0, 1, 2]) {
    const { state, request } = await requested()
    acceptBundle(state, bundleText(request), words)
    markProvisioned(state, clock)
    const later = bundleText(request, { bindingVersion: 2, entryVersion: 2 })
    expect(() => acceptBundle(state, later, undefined, powerCut(after).save)).toThrow('power cut')
    const found = loadIdentity(state)
    expect(found.phase).toBe('provisioned')
    // the entry of before is kept first, then the route is written, then the versions
    expect(found.route?.binding.version).toBe(after === 2 ? 2 : 1)
    const { identity } = acceptBundle(state, later, undefined)
    expect(identity.keys.pins?.versions).toEqual({ binding: 2, serverEntry: 2 })
  }
})
