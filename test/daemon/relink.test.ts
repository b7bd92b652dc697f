import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { systemClock } from '../../src/base/clock.ts'
import { makeLog } from '../../src/base/log.ts'
import type { Place } from '../../src/daemon/custody.ts'
import { type Gateway, makeGateway } from '../../src/daemon/gateway.ts'
import { proposeKeys } from '../../src/daemon/rotation.ts'
import { statusOf } from '../../src/daemon/status.ts'
import { loadDrivers } from '../../src/driver/load.ts'
import { readConfig } from '../../src/identity/config.ts'
import { formerFolder } from '../../src/identity/former.ts'
import { type Identity, loadIdentity } from '../../src/identity/identity.ts'
import { acceptBundle, makeRequest } from '../../src/identity/provision.ts'
import { after } from '../../src/transport/port.ts'
import { type Request, signRegistry } from '../../src/wire/registry.ts'
import { decodeBody, publish, unpublish } from '../../src/wire/statement.ts'
import { rootWords } from '../../src/wire/words.ts'
import { makeRegistry, type StandIn } from '../identity/registry-stand-in.ts'
import { makeServer, type Server } from './server-stand-in.ts'

let registry: StandIn
let other: StandIn
beforeAll(() => {
  registry = makeRegistry()
  other = { ...makeRegistry(), root: registry.root }
})
afterAll(() => {
  for (const { folder } of [registry, other]) rmSync(folder, { recursive: true })
})

let state = ''
let gateway: Gateway
let first: Server
let second: Server
let request: Request
const bugs: unknown[] = []
const lines: Record<string, unknown>[] = []
const until = async (happened: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await happened())) await new Promise(resolve => setTimeout(resolve, 5))
}
const boot = 'ab'.repeat(16)
const moment = () => ({
  ...{ wall: systemClock.now(), source: 'ntp' as const, uncertainty: 5, boot, mono: systemClock.mono() },
})

const open = async (outboxGraceMs = 0): Promise<Gateway> => {
  const made = makeGateway(
    {
      ...{ state, software: '0.1.0', configFile: undefined, boot, after, clock: systemClock },
      config: { ...readConfig(undefined), outboxGraceMs, uplinkHeartbeatMs: 150 },
      log: makeLog('info', { write: text => void lines.push(JSON.parse(text)) }),
      drivers: await loadDrivers(),
      moments: { at: moment, stop: () => {} },
    },
    loadIdentity(state),
    why => void bugs.push(why),
  )
  await made.connect()
  return made
}

beforeEach(async () => {
  bugs.length = 0
  lines.length = 0
  state = join(mkdtempSync(join(tmpdir(), 'vitalgate-relink-')), 'state')
  const { identity } = await makeRequest(state, { hardware: 'bench', software: '0.1.0', clock: systemClock })
  request = decodeBody(unpublish(identity.request).body) as unknown as Request
  first = await makeServer(registry)
  second = await makeServer(other)
  const known = { id: identity.gateway, box: identity.keys.box.publicKey }
  first.know(known)
  second.know(known)
  const bundle = JSON.stringify(first.bundle(request, 1))
  acceptBundle(state, bundle, rootWords(registry.root.publicKey).join(' '))
  gateway = await open()
})
afterEach(async () => {
  await gateway.stop()
  await first.stop()
  await second.stop()
  rmSync(join(state, '..'), { recursive: true })
  expect(bugs).toEqual([])
})

let events = 0
/** Takes an event that no other is like; its place. */
const take = (): Promise<Place> =>
  gateway.event({ event: 'device-removed', detail: { device: `d-${++events}` } })
const welcomed = () => gateway.link()!.welcomed(AbortSignal.timeout(20_000))
const settled = async (): Promise<boolean> => {
  const stats = await gateway.link()?.custody.stats()
  return stats !== undefined && stats.queued === 0
}
const names = ({ events: of }: Server): string[] =>
  of('device-removed').map(one => String(one.body.detail?.device))

/** Takes events without a pause while something is done; the places of all of them. */
async function whileTaking(act: () => Promise<void>): Promise<{ devices: string[]; places: Place[] }> {
  const from = events
  const taking: Promise<Place>[] = []
  const acting = { done: false }
  const over = act().finally(() => {
    acting.done = true
  })
  while (!acting.done) {
    taking.push(take())
    await new Promise(resolve => setTimeout(resolve, 2))
  }
  await over
  const devices = Array.from({ length: events - from }, (_, at) => `d-${from + at + 1}`)
  return { devices, places: await Promise.all(taking) }
}

test('a newer entry: welcomes verify under its receipt key, what is said from then on is sealed to its box key', async () => {
  await welcomed()
  await take()
  const forgotten = async () => (await gateway.link()!.custody.stats()).since.forgotten
  // under the first entry's receipt key: epoch-open and the event
  await until(async () => (await forgotten()) === 2)
  await gateway.stop()
  gateway = await open()
  await welcomed()
  const version = first.rotate()
  const { devices } = await whileTaking(async () => {
    await first.update([first.entry(version)])
    await until(() => first.came.some(one => one.type === 'hello' && one.to === first.boxKid(2)))
    await welcomed()
  })
  await take()
  await until(settled)
  expect(names(first).slice(1, -1)).toEqual(devices)
  const kids = first.events('device-removed').map(one => one.to)
  // the old key first, then the new one, and nothing mixed
  expect(kids).toEqual(kids.toSorted((a, b) => Number(a === first.boxKid(2)) - Number(b === first.boxKid(2))))
  expect([kids[0], kids.at(-1)]).toEqual([first.boxKid(1), first.boxKid(2)])
  // one epoch since the start
  const [before, ...later] = first.events('device-removed').map(one => one.epoch)
  expect([...new Set(later)]).not.toContain(before)
  expect(new Set(later).size).toBe(1)
  expect(gateway.link()!.disbelieved().size).toBe(0)
  await until(async () => (await forgotten()) === devices.length + 2)
  expect((await gateway.link()!.verify()).problems).toEqual([])
  // without the former entry nobody could say who signed for what was forgotten first
  const present = (gateway.identity() as Exclude<Identity, { phase: 'fresh' | 'requested' }>).route.receiptKey
  const { problems } = await gateway.link()!.custody.verify([present])
  expect(problems).toMatchObject([1, 2].map(seq => ({ epoch: before, seq, problem: 'missing' })))
})

test('new keys: the link is closed and opened under them while events are taken, and none is lost', async () => {
  const identity = () => gateway.identity() as Exclude<Identity, { phase: 'fresh' }>
  gateway.identify({ ...identity(), phase: 'provisioned' } as Identity)
  await welcomed()
  await take()
  const former = identity().keys.sign.kid
  await proposeKeys(gateway)
  const { next } = identity().keys
  const asked = decodeBody(unpublish(next!.request).body) as unknown as Request
  const keys = { ...asked.keys, tls: next!.keys.tlsHash }
  const members = {
    gateway: identity().gateway,
    server: first.id,
    version: 2,
    site: 'site-1',
    keys,
    since: 1,
  }
  const binding = publish(signRegistry('binding', members, registry.root))
  const { devices, places } = await whileTaking(async () => {
    await first.update([binding], first.certify(asked.csr))
    await until(() => identity().keys.sign.kid !== former)
    first.know({ id: identity().gateway, box: identity().keys.box.publicKey })
    await gateway.steady()
    await welcomed()
  })
  await until(settled)
  expect(identity().keys.sign.publicKey).toEqual(next!.keys.sign.publicKey)
  expect(names(first).slice(1).toSorted()).toEqual(devices.toSorted())
  expect(new Set(places.map(({ epoch, seq }) => `${epoch} ${seq}`)).size).toBe(devices.length)
  const opened = first.came.filter(one => one.type === 'epoch-open')
  expect(opened.map(one => one.body.why)).toEqual(['first', 'rotated'])
  expect(opened.map(one => one.body.kid)).toEqual([former, identity().keys.sign.kid])
})

/** The first server hands over what moves the box to the second. */
const handOver = async (version: number, to: Server, from: Server): Promise<void> => {
  const { binding, serverEntry, certificate } = to.bundle(request, version)
  await from.update([binding, serverEntry], certificate)
}

const serverNow = () => {
  const identity = gateway.identity()
  return identity.phase === 'fresh' ? undefined : identity.route?.server
}

test('moved: what is taken from then on goes to the new server, what waited to the old one, until it is forgotten', async () => {
  await welcomed()
  first.world.confirms = false
  const before = await whileTaking(() => handOver(2, second, first))
  const during = await whileTaking(async () => {
    await until(() => serverNow() === second.id)
    await gateway.steady()
  })
  await welcomed()
  const later = await take()
  await until(() => names(second).includes(`d-${events}`))
  const all = [...before.devices, ...during.devices, `d-${events}`]
  await until(() => new Set([...names(first), ...names(second)]).size === all.length)
  // each at one server only, in the order in which they were taken
  expect([...names(first), ...names(second)]).toEqual(all)
  expect(second.came.find(one => one.type === 'epoch-open')?.body.before).toBeNull()
  expect(second.came.some(one => one.epoch === later.epoch)).toBe(true)
  const { former, server } = await statusOf(gateway)
  expect([server, former.map(one => one.server), former[0]!.queued]).toEqual([
    second.id,
    [first.id],
    names(first).length + 1,
  ])
  // its hellos go on telling what that server knows, and its commands are refused
  const hello = first.came.findLast(one => one.type === 'hello')!.body as unknown as { versions: object }
  expect(hello.versions).toMatchObject({ binding: 1, serverEntry: 1 })
  await first.command('ping')
  await until(() => second.events('command-refused').length > 0)
  expect(second.events('command-refused')[0]!.body.detail).toMatchObject({
    why: 'server.former',
    intent: null,
  })
  // what is counted before a wipe is all that waits anywhere
  await second.command('status')
  await until(() => second.came.some(one => one.type === 'result'))
  const { detail } = second.came.find(one => one.type === 'result')!.body
  expect(Number(detail!.queued)).toBeGreaterThanOrEqual(former[0]!.queued!)
  expect(existsSync(formerFolder(state, first.id))).toBe(true)
  first.world.confirms = true
  await until(() => !existsSync(formerFolder(state, first.id)))
  await until(async () => (await statusOf(gateway)).former.length === 0)
  expect(lines.filter(one => String(one.msg).includes('its folder is deleted'))).toMatchObject([
    { server: first.id },
  ])
  expect(second.events('provision-test')).toHaveLength(1)
})

test('a start after a move goes on with both, and a former server takes its new keys', async () => {
  first.world.confirms = false
  await welcomed()
  await take()
  await until(() => names(first).length === 1)
  await handOver(2, second, first)
  await until(() => serverNow() === second.id)
  await gateway.steady()
  await gateway.stop()
  gateway = await open()
  await welcomed()
  await until(async () => (await statusOf(gateway)).former[0]?.state === 'welcomed')
  const version = first.rotate()
  await first.update([first.entry(version)])
  await until(() => first.came.some(one => one.type === 'hello' && one.to === first.boxKid(2)))
  first.world.confirms = true
  await until(() => !existsSync(formerFolder(state, first.id)))
  expect(names(first)).toHaveLength(1)
})

test('a former route stays until the grace period of its rows is over', async () => {
  await gateway.stop()
  gateway = await open(3_600_000)
  await welcomed()
  await take()
  await handOver(2, second, first)
  await until(() => serverNow() === second.id)
  await gateway.steady()
  const former = async () => (await statusOf(gateway)).former[0]
  await until(async () => (await former())?.queued === 0)
  const told = first.came.length
  await until(() => first.came.length > told + 4)
  expect(await former()).toMatchObject({ server: first.id, queued: 0, receipted: 2, state: 'welcomed' })
  expect(existsSync(formerFolder(state, first.id))).toBe(true)
})

test('moved back while rows still wait: they go on as rows of the present route', async () => {
  first.world.confirms = false
  await welcomed()
  await take()
  await handOver(2, second, first)
  await until(() => serverNow() === second.id)
  await gateway.steady()
  await welcomed()
  await take()
  await handOver(3, first, second)
  await until(() => serverNow() === first.id)
  await gateway.steady()
  expect((await gateway.link()!.custody.stats()).queued).toBeGreaterThanOrEqual(2)
  first.world.confirms = true
  await take()
  await until(settled)
  expect([...names(first), ...names(second)].toSorted()).toEqual(
    [events - 2, events - 1, events].map(n => `d-${n}`).toSorted(),
  )
  await until(async () => (await statusOf(gateway)).former.length === 0)
})
