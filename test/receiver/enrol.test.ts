import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { base64url, unbase64url } from '../../src/base/bytes.ts'
import {
  checkRequest,
  confirmWords,
  enrol,
  isEnrolled,
  makeBundle,
  type Signers,
} from '../../src/receiver/enrol.ts'
import { initialise } from '../../src/receiver/init.ts'
import { openRegistry, type Registry } from '../../src/receiver/registry.ts'
import { ownLock, paths, readSecrets, readSigner } from '../../src/receiver/state.ts'
import { openStore, type Store } from '../../src/receiver/store.ts'
import { signingKey, verifyKey } from '../../src/wire/keys.ts'
import { bundleForm, verifyRegistry } from '../../src/wire/registry.ts'
import { publish, signStatement, unpublish } from '../../src/wire/statement.ts'
import { makeBox, planAt, signingRequest } from './box.ts'

const state = mkdtempSync(join(tmpdir(), 'vitalgate-enrol-'))
const now = Date.now()
let store: Store
let registry: Registry
let signers: Signers

beforeAll(async () => {
  const passphrase = 'correct horse battery'
  await initialise(state, planAt(now), async () => passphrase)
  store = openStore(paths(state).database)
  registry = openRegistry(state, store.db)
  signers = {
    root: readSigner(state, 'root', { passphrase }),
    authority: {
      key: readSecrets(state, 'authority', ownLock(state)).key,
      certificate: readFileSync(paths(state).authorityCertificate, 'utf8'),
    },
  }
})
afterAll(() => {
  store.close()
  rmSync(state, { recursive: true, force: true })
})

const decided = { site: 'oak-house', actor: 'anna', now }
const check = (text: string) => checkRequest(text, 'request.json')

test('an enrolled box gets a bundle in which everything follows from the root', async () => {
  const box = await makeBox()
  const request = await check(box.text)
  expect(request.words.join(' ')).toBe(box.words)
  confirmWords(request, ` ${box.words.toUpperCase().replaceAll(' ', ', ')} `)
  expect(registry.gateway(box.gateway)).toBeUndefined()
  await enrol(store, registry, request, signers, decided)

  const bundle = bundleForm.parse(JSON.parse(makeBundle(store, registry, box.gateway)))
  const root = verifyKey(unbase64url(bundle.root))
  const binding = verifyRegistry('binding', unpublish(bundle.binding), root)
  const entry = verifyRegistry('server-entry', unpublish(bundle.serverEntry), root)
  const operator = verifyRegistry('operator', unpublish(bundle.operators[0]!), root)
  expect(operator.operator).toBe('operator')
  expect(binding).toMatchObject({ gateway: box.gateway, server: entry.server, site: 'oak-house', version: 1 })
  expect(binding.keys).toEqual({
    sign: base64url(box.sign.publicKey),
    box: base64url(box.box.publicKey),
    tls: request.csr.pin,
  })
  const certificate = new X509Certificate(bundle.certificate)
  expect(certificate.subject).toBe(`CN=${box.gateway}`)
  expect(certificate.verify(new X509Certificate(entry.ca[0]!).publicKey)).toBe(true)

  const enrolled = registry.gateway(box.gateway)
  expect(enrolled?.verifyKey.kid).toBe(box.sign.kid)
  expect(enrolled?.boxPublic.kid).toBe(box.box.kid)
  expect(registry.versions(box.gateway)).toEqual({ binding: 1, serverEntry: 1, devices: 0, revocations: 0 })
})

test('the same request again is already enrolled and its bundle is the same', async () => {
  const box = await makeBox()
  const request = await check(box.text)
  expect(isEnrolled(store, registry, request)).toBe(false)
  await enrol(store, registry, request, signers, decided)
  const bundle = makeBundle(store, registry, box.gateway)
  expect(isEnrolled(store, registry, await check(box.text))).toBe(true)
  await enrol(store, registry, request, signers, { ...decided, site: 'elsewhere' })
  expect(makeBundle(store, registry, box.gateway)).toBe(bundle)
})

test('a known gateway id with other keys, and a known key under another id, are refused', async () => {
  const box = await makeBox()
  await enrol(store, registry, await check(box.text), signers, decided)
  const impostor = await makeBox({ gateway: box.gateway })
  const known = { code: 'registry.known', hint: expect.any(String) }
  const of = async (text: string) => isEnrolled(store, registry, await check(text))
  await expect(of(impostor.text)).rejects.toMatchObject({
    ...known,
    message: `gateway ${box.gateway} is enrolled with other keys`,
  })
  const copy = await makeBox()
  const twin = await makeBox({
    keys: { sign: base64url(copy.sign.publicKey), box: base64url(box.box.publicKey) },
  }).catch(() => undefined)
  expect(twin).toBeDefined()
  // signed by a key other than the one it names: never gets as far as the registry
  await expect(of(twin!.text)).rejects.toMatchObject({ code: 'input.invalid' })
  // properly signed, but with the box key of the other
  const keys = { sign: base64url(copy.sign.publicKey), box: base64url(box.box.publicKey) }
  const honest = copy.statement
  const body = { ...JSON.parse(Buffer.from(honest.body).toString()), keys }
  const signed = signStatement('request', body, copy.sign)
  await expect(of(JSON.stringify(publish(signed)))).rejects.toMatchObject({
    ...known,
    message: expect.stringContaining(box.gateway),
  })
})

test('other words are refused and say nothing of the right ones', async () => {
  const request = await check((await makeBox()).text)
  let fault: unknown
  try {
    confirmWords(request, 'zoo zoo zoo zoo zoo zoo')
  } catch (error) {
    fault = error
  }
  expect(fault).toMatchObject({ code: 'words.mismatch', hint: expect.any(String) })
  expect((fault as Error).message).not.toContain(request.words[0])
})

test('a request that is altered, foreign, too large, or for another name is refused as such', async () => {
  const box = await makeBox()
  const form = JSON.parse(box.text)
  const altered = { ...form, body: form.body.slice(0, -8) + form.body.slice(-8).replace(/./, 'Q') }
  const other = await makeBox()
  const wrongName = await makeBox({ csr: await signingRequest(other.gateway) })
  const smallOrder = signStatement(
    'request',
    { kid: 'a'.repeat(16), keys: { sign: 'A'.repeat(43), box: 'A'.repeat(43) } },
    signingKey(new Uint8Array(32).fill(7)),
  )
  const spoilt = [
    'not JSON',
    '{}',
    JSON.stringify(altered),
    JSON.stringify({ ...form, type: 'binding' }),
    JSON.stringify({ ...form, more: 1 }),
    ' '.repeat(32_769) + box.text,
    wrongName.text,
    JSON.stringify(publish(smallOrder)),
  ]
  for (const text of spoilt) {
    await expect(check(text)).rejects.toMatchObject({
      code: 'input.invalid',
      message: expect.stringContaining('request.json is refused'),
      hint: expect.stringContaining('vitalgate provision request'),
    })
  }
  expect((await check(box.text)).body.gateway).toBe(box.gateway)
})
