import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { systemClock } from '../../src/base/clock.ts'
import { makeLog } from '../../src/base/log.ts'
import { type Gateway, makeGateway } from '../../src/daemon/gateway.ts'
import { certificateNotices, proposeKeys } from '../../src/daemon/rotation.ts'
import { statusOf } from '../../src/daemon/status.ts'
import { loadDrivers } from '../../src/driver/load.ts'
import { readConfig } from '../../src/identity/config.ts'
import { loadIdentity } from '../../src/identity/identity.ts'
import { acceptBundle, makeRequest, markProvisioned } from '../../src/identity/provision.ts'
import { after } from '../../src/transport/port.ts'
import { type Request, signRegistry } from '../../src/wire/registry.ts'
import { decodeBody, type PublicStatement, publish, unpublish } from '../../src/wire/statement.ts'
import { rootWords } from '../../src/wire/words.ts'
import { certify, makeBundle, makeRegistry, type StandIn } from '../identity/registry-stand-in.ts'
import { makeServer, type Server } from './server-stand-in.ts'

let registry: StandIn
beforeAll(() => {
  registry = makeRegistry()
})
afterAll(() => rmSync(registry.folder, { recursive: true }))

let state = ''
let gateway: Gateway
let server: Server
let request: Request
let own = ''
/** Fingerprints of the client certificates that were shown, in their order, and those that are turned away. */
const shown: string[] = []
const shut = new Set<string>()
const bugs: unknown[] = []
const lines: Record<string, unknown>[] = []
const boot = 'ab'.repeat(16)
const until = async (happened: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await happened())) await new Promise(resolve => setTimeout(resolve, 5))
}
const printOf = (pem: string): string => new X509Certificate(pem).fingerprint256
const bodyIn = <T>(form: PublicStatement): T => decodeBody(unpublish(form).body) as T

beforeEach(async () => {
  for (const list of [shown, bugs, lines]) list.length = 0
  shut.clear()
  state = join(mkdtempSync(join(tmpdir(), 'vitalgate-rotation-')), 'state')
  const { identity } = await makeRequest(state, { hardware: 'bench', software: '0.1.0', clock: systemClock })
  request = bodyIn<Request>(identity.request)
  server = await makeServer(registry, {
    admits: fingerprint => {
      shown.push(fingerprint)
      return !shut.has(fingerprint)
    },
  })
  server.know({ id: identity.gateway, box: identity.keys.box.publicKey })
  const bundle = server.bundle(request, 1)
  own = bundle.certificate
  acceptBundle(state, JSON.stringify(bundle), rootWords(registry.root.publicKey).join(' '))
})
afterEach(async () => {
  await gateway?.stop()
  await server.stop()
  rmSync(join(state, '..'), { recursive: true })
  expect(bugs).toEqual([])
})

async function open(provisioned = true): Promise<void> {
  if (provisioned) markProvisioned(state, systemClock)
  gateway = makeGateway(
    {
      ...{ state, software: '0.1.0', configFile: undefined, boot, after, clock: systemClock },
      config: { ...readConfig(undefined), uplinkHeartbeatMs: 150 },
      log: makeLog('info', { write: text => void lines.push(JSON.parse(text)) }),
      drivers: await loadDrivers(),
      moments: {
        at: () => ({
          ...{ wall: systemClock.now(), source: 'ntp' as const, uncertainty: 5, boot },
          mono: systemClock.mono(),
        }),
        stop: () => {},
      },
    },
    loadIdentity(state),
    why => void bugs.push(why),
  )
  await gateway.connect()
}

const welcomed = () => gateway.link()!.welcomed(AbortSignal.timeout(60_000))
const certificate = async () => (await statusOf(gateway)).certificate!
const proposals = () => server.came.filter(one => one.body.event === 'keys-proposed')

test('only a provisioned box proposes new keys', async () => {
  await open(false)
  await expect(proposeKeys(gateway)).rejects.toMatchObject({ code: 'identity.unprovisioned' })
  expect(loadIdentity(state)).toMatchObject({ keys: { next: undefined } })
})

test('what is proposed goes up as a request of the same gateway; asked again it is the same, told once more', async () => {
  await open()
  const { kid } = (await statusOf(gateway)).keys!
  const first = await proposeKeys(gateway)
  expect(first).toMatchObject({ already: false, gateway: request.gateway, kid })
  expect(await proposeKeys(gateway)).toEqual({ ...first, already: true })
  await until(() => proposals().length === 2)
  for (const { body } of proposals()) {
    const told = (body.detail as { request: PublicStatement }).request
    expect(told).toEqual(JSON.parse(first.request))
    expect(bodyIn<Request>(told)).toMatchObject({ gateway: request.gateway, kid: first.next })
    expect(body.kid).toBe(kid)
  }
  const { keys, notices } = await statusOf(gateway)
  expect(keys).toEqual({ kid, next: first.next })
  expect(notices).toContainEqual(expect.stringContaining('registry rotate'))
})

test('bound with their certificate, the box connects under them: a hello, and an epoch that says so', async () => {
  await open()
  await welcomed()
  const proposed = await proposeKeys(gateway)
  const next = bodyIn<Request>(JSON.parse(proposed.request) as PublicStatement)
  const bundle = makeBundle(registry, next, { server: server.id, bindingVersion: 2 })
  const key = loadIdentity(state)
  if (key.phase === 'fresh') throw new Error('no keys')
  // what goes down is sealed to the former box key until the server heard the new one (WIRE 9.9)
  server.know({ id: request.gateway, box: key.keys.box.publicKey })
  await server.update([bundle.binding], bundle.certificate)
  await until(async () => (await statusOf(gateway)).keys?.kid === proposed.next)
  server.know({ id: request.gateway, box: Buffer.from(next.keys.box, 'base64url') })
  await until(() => gateway.link() !== undefined)
  await welcomed()
  await gateway.event({ event: 'device-removed', detail: { device: 'scale-1' } })
  await until(() => server.came.some(one => one.type === 'epoch-open' && one.body.kid === proposed.next))
  const [opened] = server.came.filter(one => one.type === 'epoch-open' && one.body.kid === proposed.next)
  expect(opened!.body).toMatchObject({ why: 'rotated', kid: proposed.next })
  expect((await statusOf(gateway)).keys).toEqual({ kid: proposed.next, next: null })
  expect(shown.at(-1)).toBe(printOf(bundle.certificate))
})

test('a newer certificate is shown at the next connection, which comes at once, and kept once the server answered', async () => {
  await open()
  await welcomed()
  const before = await certificate()
  const newer = certify(registry, request.csr, 4000)
  await server.update([], newer)
  await until(async () => (await certificate()).notAfter > before.notAfter)
  expect(await certificate()).toEqual({
    notAfter: new X509Certificate(newer).validToDate.getTime(),
    next: null,
  })
  expect([shown[0], shown.at(-1)]).toEqual([printOf(own), printOf(newer)])
  expect(loadIdentity(state).route?.certificate).toBe(newer)
})

test('a newer certificate that is turned away stops nothing: the one before is shown again, and the newer one later', async () => {
  await open()
  await welcomed()
  const newer = certify(registry, request.csr, 4000)
  const [old, next] = [printOf(own), printOf(newer)]
  shut.add(next)
  await server.update([], newer)
  await until(() => shown.join() === [old, next, old].join())
  await welcomed()
  expect((await certificate()).next).toBe(new X509Certificate(newer).validToDate.getTime())
  await gateway.event({ event: 'device-removed', detail: { device: 'scale-1' } })
  await until(async () => (await gateway.link()!.custody.stats()).queued === 0)
  // the next connection tries it again
  shut.clear()
  for (const socket of server.broker.sockets) socket.destroy()
  await until(async () => (await certificate()).next === null)
  expect(loadIdentity(state).route?.certificate).toBe(newer)
})

test('a binding of the same keys asks for no new connection', async () => {
  await open()
  await welcomed()
  const { kid: _, ...body } = bodyIn<{ kid: string; version: number }>(server.bundle(request, 2).binding)
  await server.update([
    publish(signRegistry('binding', { ...body, site: 'elm-house' } as never, registry.root)),
  ])
  await until(async () => (await statusOf(gateway)).site === 'elm-house')
  expect(shown).toHaveLength(1)
})

test('people are told of a certificate that ends within a year while no newer one waits', () => {
  const wall = 1_780_000_000_000
  const day = 86_400_000
  const told = (days: number, next: number | null): string[] =>
    certificateNotices({ certificate: { notAfter: wall + days * day, next }, keys: null }, wall)
  expect(told(365, null)).toEqual([])
  expect(told(364, null)).toEqual([expect.stringContaining('runs out in 364 days')])
  expect(told(-1, null)).toEqual([expect.stringContaining('has run out')])
  expect(told(3, wall + 4000 * day)).toEqual([])
  expect(certificateNotices({ certificate: null, keys: null }, wall)).toEqual([])
})
