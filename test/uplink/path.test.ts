import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import type { Fault } from '../../src/base/fault.ts'
import { type Address, type Connection, openConnection } from '../../src/uplink/connection.ts'
import type { Dated } from '../../src/uplink/dates.ts'
import { type Broker, makeBroker, type Shown } from './broker.ts'
import {
  clientAuth,
  day,
  digitalSignature,
  Extension,
  type Issued,
  keyAgreement,
  keyCertSign,
  makeBetween,
  makeLeaf,
  makeRoot,
  onlyLocalhost,
  serverAuth,
  strange,
  type Wish,
} from './certificates.ts'

// WIRE 8.4: who answers is judged by everything but dates, before a byte of MQTT is sent.

let root: Issued
let own: Issued
let broker: Broker
let connection: Connection | undefined
beforeAll(async () => {
  root = await makeRoot()
  own = await makeLeaf(root)
  broker = await makeBroker({ shown: { root, own } })
})
afterEach(() => connection?.close())
afterAll(() => broker.stop())

/** What a gateway makes of certificates: the dates of those that it takes, or why it takes none. */
async function met(shown: Shown, { peer = broker, ...asked }: Partial<Address> & { peer?: Broker } = {}) {
  peer.show(shown)
  const before = peer.heard()
  const outcome = Promise.withResolvers<readonly Dated[] | Fault>()
  const events = { open: outcome.resolve, message: () => {}, closed: outcome.resolve }
  const address = { ...peer.address, pins: [shown.own.pin], ...asked }
  connection = openConnection(address, 'down', events)
  const found = await outcome.promise
  await connection.close()
  // a line that was closed has ended on the other side too: what left has been heard
  while (peer.sockets.size > 0) await new Promise(resolve => setImmediate(resolve))
  return { found, heard: peer.heard() - before }
}

/** A certificate of the broker, issued by the root, that is in order but for the wish. */
const leafWith = async (wish: Wish): Promise<Shown> => ({ own: await makeLeaf(root, wish) })

/** A certificate behind one that is in order but for the wish. */
async function behind(wish: Wish): Promise<Shown> {
  const between = await makeBetween(root, wish)
  return { own: await makeLeaf(between), others: [between] }
}

test('a certificate in order is taken, and its dates are told', async () => {
  const { found, heard } = await met({ own })
  expect(found).toHaveLength(1)
  expect(heard).toBeGreaterThan(0)
})

test('with one between it and the CA, in any order, and with a needless one, dates of both are told', async () => {
  const [from, until] = [Date.UTC(2020, 0, 1), Date.UTC(2021, 0, 1)]
  const between = await makeBetween(root, { name: 'between', from, until })
  const leaf = await makeLeaf(between)
  const { found } = await met({ own: leaf, others: [await makeRoot({ name: 'needless' }), between] })
  expect(found).toMatchObject([
    { what: 'the broker’s certificate' },
    { what: 'the intermediate certificate CN=between', from, until },
  ])
})

test('TLS 1.2 shows the same certificates', async () => {
  const between = await makeBetween(root)
  const leaf = await makeLeaf(between)
  const peer = await makeBroker({
    shown: { root, own: leaf, others: [between] },
    tls: { maxVersion: 'TLSv1.2' },
  })
  try {
    expect((await met({ own: leaf, others: [between] }, { peer })).found).toHaveLength(2)
    const { found, heard } = await met({ own: leaf }, { peer })
    expect(found).toMatchObject({ code: 'server.refused' })
    expect(heard).toBe(0)
  } finally {
    await peer.stop()
  }
})

test('an address is found in it like a name', async () => {
  const { port } = new URL(broker.address.broker)
  const asked = { broker: `mqtts://127.0.0.1:${port}` }
  expect((await met({ own }, asked)).found).toHaveLength(1)
  const named = await leafWith({ hosts: [{ type: 'dns', value: 'localhost' }] })
  expect((await met(named, asked)).found).toMatchObject({ code: 'server.refused' })
})

test('no date keeps anybody away here: a day in 1970, a day in 2090, a CA that ran out', async () => {
  const dates = [
    { from: Date.UTC(1970, 0, 1), until: Date.UTC(1970, 0, 2) },
    { from: Date.UTC(2090, 0, 1), until: Date.UTC(2090, 0, 2) },
  ]
  for (const wish of dates) expect((await met(await leafWith(wish))).found).toMatchObject([wish])
  const old = await makeRoot(dates[0])
  const { found } = await met({ own: await makeLeaf(old) }, { ca: [old.certificate] })
  expect(found).toHaveLength(1)
})

test('RSA and SHA-512 are taken as well, and an extension that nobody must understand', async () => {
  expect((await met(await leafWith({ more: [strange(false)] }))).found).toHaveLength(1)
  expect((await met(await leafWith({ hash: 'SHA-512' }))).found).toHaveLength(1)
  const old = await makeRoot({ rsaBits: 2048 })
  const own = await makeLeaf(old, { rsaBits: 2048 })
  expect((await met({ own }, { ca: [old.certificate] })).found).toHaveLength(1)
})

/** ExtendedKeyUsage (2.5.29.37) that is a text instead of a list. */
const garbledPurpose = new Extension('2.5.29.37', false, Uint8Array.of(0x0c, 1, 0x61))

const host = (value: string): Wish => ({ hosts: [{ type: 'dns', value }] })
const expired = { from: Date.now() - 2 * day, until: Date.now() - day }

const defects: [string, () => Promise<Shown>, RegExp][] = [
  ['from another CA', async () => ({ own: await makeLeaf(await makeRoot()) }), /does not lead to a CA/],
  [
    'from another CA of the same name that is shown along',
    async () => {
      const other = await makeRoot()
      return { own: await makeLeaf(other), others: [other] }
    },
    /does not lead to a CA/,
  ],
  ['that it issued itself', async () => ({ own: await makeLeaf(undefined) }), /does not lead to a CA/],
  ['for another host', () => leafWith(host('localhost.example.org')), /is not for localhost/],
  ['for a part of the host', () => leafWith(host('l*')), /is not for localhost/],
  [
    'that has the host in its name alone',
    () => leafWith({ name: 'localhost', hosts: [] }),
    /is not for localhost/,
  ],
  ['for clients', () => leafWith({ purposes: [clientAuth] }), /is not for servers/],
  ['for no stated purpose', () => leafWith({ purposes: [] }), /is not for servers/],
  ['not for signatures', () => leafWith({ usage: keyAgreement }), /is not for signatures/],
  ['of a CA', () => leafWith({ authority: {} }), /is that of a CA/],
  [
    'with a critical extension',
    () => leafWith({ more: [strange(true)] }),
    /has the critical extension 2b06010401868d1f01/,
  ],
  ['signed with SHA-1', () => leafWith({ hash: 'SHA-1' }), /signature that can be forged/],
  [
    'run out and from another CA',
    async () => ({ own: await makeLeaf(await makeRoot(), expired) }),
    /does not lead to a CA/,
  ],
  [
    'run out and for another host',
    () => leafWith({ ...expired, ...host('elsewhere') }),
    /is not for localhost/,
  ],
  [
    'behind one that is no CA',
    () => behind({ authority: false, usage: keyCertSign }),
    /by one that is no CA/,
  ],
  ['behind one that may not issue', () => behind({ usage: digitalSignature }), /does not lead to a CA/],
  ['behind one for clients', () => behind({ purposes: [clientAuth] }), /by a CA that is not for servers/],
  [
    'behind one with a critical extension',
    () => behind({ more: [strange(true)] }),
    /by a CA that has the critical/,
  ],
  [
    'behind one that limits names',
    () => behind({ more: [onlyLocalhost(true)] }),
    /by a CA that limits names/,
  ],
  ['behind one that limits names by the way', () => behind({ more: [onlyLocalhost(false)] }), /limits names/],
  [
    'behind one with a purpose that is none',
    () => behind({ more: [garbledPurpose] }),
    /does not lead to a CA|unreadable/,
  ],
  [
    'behind one more than a CA allows',
    async () => {
      const first = await makeBetween(root, { name: 'first', authority: { most: 0 } })
      const second = await makeBetween(first, { name: 'second' })
      return { own: await makeLeaf(second), others: [second, first] }
    },
    /may not have others below it/,
  ],
  [
    'behind four',
    async () => {
      const four = [root]
      for (const name of ['one', 'two', 'three', 'four']) four.unshift(await makeBetween(four[0]!, { name }))
      return { own: await makeLeaf(four[0]), others: four.slice(0, 4) }
    },
    /does not lead to a CA/,
  ],
  [
    'before eight others',
    async () => ({ own, others: await Promise.all(Array.from({ length: 8 }, () => makeRoot())) }),
    /comes with 8 others/,
  ],
]

test.each(defects)('nothing is said to a broker with a certificate %s', async (_what, make, why) => {
  const { found, heard } = await met(await make())
  expect(found).toMatchObject({ code: 'server.refused', message: expect.stringMatching(why) })
  expect(heard).toBe(0)
})

test('nothing is said to a broker with a certificate in order for a key that is not pinned', async () => {
  const { found, heard } = await met({ own: await makeLeaf(root) }, { pins: [own.pin] })
  expect(found).toMatchObject({ code: 'server.unpinned' })
  expect(heard).toBe(0)
})

test('an unpinned key of another CA is no more than a certificate of another CA', async () => {
  const { found } = await met({ own: await makeLeaf(await makeRoot()) }, { pins: [own.pin] })
  expect(found).toMatchObject({ code: 'server.refused' })
})

test('nothing is said to a broker that speaks TLS 1.1', async () => {
  const tls = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
  const peer = await makeBroker({ shown: { root, own }, tls })
  try {
    const { found, heard } = await met({ own }, { peer })
    expect(found).toMatchObject({ code: 'server.refused' })
    expect(heard).toBe(0)
  } finally {
    await peer.stop()
  }
})

test('a CA of the entry that nobody can read is a fault like others', async () => {
  const { found } = await met({ own }, { ca: ['no certificate'] })
  expect((found as Fault).code).toMatch(/^server\./)
})

test('the CA of the entry must be one: it may not be for clients, or without leave to issue', async () => {
  for (const wish of [
    { purposes: [clientAuth] },
    { authority: false as const },
    { more: [strange(true)] },
    { rsaBits: 1024 },
  ]) {
    const odd = await makeRoot(wish)
    const { found, heard } = await met({ own: await makeLeaf(odd) }, { ca: [odd.certificate] })
    expect(found).toMatchObject({ code: 'server.refused' })
    expect(heard).toBe(0)
  }
  const stated = await makeRoot({ purposes: [serverAuth] })
  expect((await met({ own: await makeLeaf(stated) }, { ca: [stated.certificate] })).found).toHaveLength(1)
})
