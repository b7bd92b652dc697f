import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { base32 } from '../../src/base/bytes.ts'
import { makeLog } from '../../src/base/log.ts'
import type { Gateway } from '../../src/daemon/gateway.ts'
import { type Link, type LinkParts, openLink } from '../../src/daemon/link.ts'
import { statusOf } from '../../src/daemon/status.ts'
import { readConfig } from '../../src/identity/config.ts'
import type { Book } from '../../src/identity/registry-book.ts'
import { after } from '../../src/transport/port.ts'
import { unpack } from '../../src/wire/envelope.ts'
import { boxKey, boxPublic, makePair, signingKey, verifyKey } from '../../src/wire/keys.ts'
import { openFrom, signAndSeal } from '../../src/wire/message.ts'
import type { HelloBody } from '../../src/wire/session.ts'
import { topics } from '../../src/wire/topics.ts'
import { type Broker, makeBroker } from '../uplink/broker.ts'

let folder = ''
let broker: Broker | undefined
let link: Link | undefined
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vitalgate-link-'))
})
afterEach(async () => {
  await link?.stop()
  await broker?.stop()
  rmSync(folder, { recursive: true })
})

const newId = (): string => base32(randomBytes(16))
const moment = {
  wall: 1_780_000_000_000,
  source: 'ntp' as const,
  uncertainty: 5,
  boot: 'ab'.repeat(16),
  mono: 1,
}

/** Nothing is known beside the route. */
const book = {
  versions: { devices: 0, revocations: 0 },
  operators: new Map(),
  behind: false,
  revokedKeys: [],
} as unknown as Book

/** A link to a server that answers each hello as `answer` says: its log, and how to speak in the server's place. */
async function linked(answer: (hello: HelloBody) => { epoch: string; seq: number; head: string }[]) {
  const [gateway, server] = [newId(), newId()]
  const seed = makePair('ed25519').secret
  const receipt = signingKey(makePair('ed25519').secret)
  const box = boxKey(makePair('x25519').secret)
  const serverBox = boxKey(makePair('x25519').secret)
  const expected = { iss: gateway, key: verifyKey(signingKey(seed).publicKey), aud: server, box: serverBox }
  const { down } = topics(server, gateway)
  let token = 0
  broker = await makeBroker({
    heard: payload => {
      const { epoch, envelope } = unpack(payload)
      if (epoch !== '0'.repeat(16)) return
      const said = openFrom(envelope, ['hello', 'ready'], expected)
      if (said.type !== 'hello') return
      token++
      const welcome = {
        nonce: said.body.nonce,
        serverNonce: '12'.repeat(16),
        epochs: answer(said.body).map(one => ({ ...one, holes: [] })),
        status: 'ok',
        token,
        // within the dates of the broker's certificate, which was made just now
        time: Date.now(),
        minVersion: '0.1.0',
        versions: said.body.versions,
      }
      const to = { id: gateway, box: boxPublic(box.publicKey) }
      broker?.say(down, signAndSeal('welcome', { id: server, key: receipt }, to, welcome).envelope)
    },
  })
  const { address } = broker
  const lines: Record<string, unknown>[] = []
  const route = {
    server,
    binding: { version: 1, site: 'site-1' },
    entry: {
      version: 1,
      brokers: [address.broker],
      ca: address.ca,
      pins: address.pins,
      until: moment.wall * 2,
    },
    certificate: address.certificate,
    notAfter: moment.wall * 2,
    receiptKey: verifyKey(receipt.publicKey),
    serverBox: boxPublic(serverBox.publicKey),
  }
  // only what a link reads of an identity
  const identity = {
    gateway,
    keys: { signSeed: seed, sign: signingKey(seed), box, tlsKey: address.key },
    route,
  } as unknown
  const parts: LinkParts = {
    identity: identity as LinkParts['identity'],
    book,
    update: () => ({ identity: identity as never, book, taken: [], change: undefined }),
    proven: route => route,
    reopen: () => {},
    acts: () => ({}) as never,
    after,
    config: { ...readConfig(undefined), uplinkHeartbeatMs: 150 },
    outboxPath: join(folder, 'outbox.db'),
    clock: { now: () => moment.wall, mono: () => 5000 },
    moments: { at: () => moment, stop: () => {} },
    log: makeLog('info', { write: text => void lines.push(JSON.parse(text)) }),
    software: '0.1.0',
    driversHash: 'ef'.repeat(32),
    boot: moment.boot,
    broken: why => {
      throw why
    },
  }
  link = await openLink(parts)
  return { link, identity, parts, lines, say: (payload: Uint8Array) => broker?.say(down, payload) }
}

const until = async (happened: () => boolean): Promise<void> => {
  while (!happened()) await new Promise(resolve => setTimeout(resolve, 5))
}

/** The notices about it of a gateway that consists of this link alone. */
async function noticesOf({
  link: way,
  identity,
  parts,
}: Awaited<ReturnType<typeof linked>>): Promise<string[]> {
  const gateway = {
    parts: { ...parts },
    startedMono: 0,
    stations: { states: () => [] },
    ways: { bluetooth: () => undefined },
    identity: () => ({ ...(identity as object), phase: 'provisioned' }),
    link: () => way,
    formers: () => [],
    abandoning: { waiting: async () => ({ servers: [], keys: [] }) },
    steady: async () => {},
    refused: () => 0,
  } as unknown as Gateway
  // a machine that is busy may answer one heartbeat only after the next: that is another notice
  return (await statusOf(gateway)).notices.filter(one => one.includes('does not agree'))
}

test('a server that names a head that is not ours is told to people, logged once, and forgotten when it agrees', async () => {
  let agrees = false
  let hellos = 0
  const site = await linked(({ epochs }) => {
    hellos++
    return epochs.map(one => (agrees ? one : { ...one, head: 'cd'.repeat(32) }))
  })
  const { epoch } = await site.link.take({
    type: 'event',
    time: moment,
    members: { event: 'device-removed', detail: { device: 'scale-1' } },
  })
  const told = () => site.lines.filter(one => String(one.msg).includes('does not agree'))
  await until(() => site.link.disagreed().has(epoch))
  const before = hellos
  await until(() => hellos > before + 2)
  expect(told()).toMatchObject([{ level: 'warn', epoch, seq: 2 }])
  expect(await noticesOf(site)).toEqual([
    expect.stringContaining(`epoch ${epoch} does not agree with this box`),
  ])
  agrees = true
  await until(() => site.link.disagreed().size === 0)
  expect(await noticesOf(site)).toEqual([])
})

test('garbage that comes down is counted, and logged once a minute', async () => {
  const site = await linked(() => [])
  await site.link.welcomed(AbortSignal.timeout(10_000))
  for (let n = 0; n < 500; n++) site.say(randomBytes(200))
  await until(() => site.link.disbelieved().get('wire.malformed') === 500)
  const told = site.lines.filter(one => String(one.msg).includes('not believed'))
  expect(told).toMatchObject([{ level: 'warn', code: 'wire.malformed', count: 1 }])
})
