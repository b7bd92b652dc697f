import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from '@jest/globals'
import { Fault } from '../../src/base/fault.ts'
import { backoff } from '../../src/uplink/backoff.ts'
import { openConnection } from '../../src/uplink/connection.ts'
import { checkDates, explained } from '../../src/uplink/dates.ts'
import { openSession, type Session } from '../../src/uplink/session.ts'
import { type Uplink, type UplinkState, uplink } from '../../src/uplink/uplink.ts'
import { verifyKey } from '../../src/wire/keys.ts'
import { topics } from '../../src/wire/topics.ts'
import { type Broker, makeBroker } from './broker.ts'
import { clientAuth, day, type Issued, makeLeaf, makeRoot } from './certificates.ts'
import { clock, events, makeParties, versions } from './parties.ts'

// WIRE 8.4: dates are judged by the server's signed time.

let broker: Broker | undefined
let session: Session | undefined
let way: Uplink | undefined
afterEach(async () => {
  await session?.close()
  await way?.stop()
  await broker?.stop()
})

const day1 = Date.UTC(2031, 4, 1)
const from = day1
const until = day1 + day
/** The box thinks that it is 1970 all the time. */
const facts = { boot: clock.boot, software: '0.1.0', drivers: 'ef'.repeat(32), versions }
const old = { ...clock, wall: 0, source: 'none' as const, uncertainty: null }

const dated = async (): Promise<NonNullable<NonNullable<Parameters<typeof makeBroker>[0]>['shown']>> => {
  const root = await makeRoot()
  return { root, own: await makeLeaf(root, { from, until }) }
}

/** A session with a server that tells these times, one after another, and the last from then on. */
async function told(times: readonly number[]) {
  const parties = makeParties()
  const { gateway, server, receipt, box, custodian, row } = parties
  const said: string[] = []
  const closed = Promise.withResolvers<Fault>()
  const settled: number[] = []
  let hellos = 0
  broker = await makeBroker({
    shown: await dated(),
    heard: payload => {
      const isRow = Buffer.from(payload).includes(Buffer.from(row.parcel.envelope))
      const one = isRow ? { type: 'row', nonce: '' } : parties.read(payload)
      said.push(one.type)
      const time = times[Math.min(hellos, times.length - 1)]!
      if (one.type !== 'hello') return
      hellos++
      broker?.say(topics(server, gateway).down, parties.welcome(one.nonce, time))
    },
  })
  session = openSession(
    {
      custodian: {
        ...custodian,
        welcome: async (body, statement) => {
          settled.push(body.time)
          return custodian.welcome(body, statement)
        },
      },
      gateway,
      server,
      receiptKey: verifyKey(receipt.publicKey),
      box,
      facts: () => ({ ...facts, clock: old }),
      heartbeatMs: 60,
      window: 8,
      overdue: backoff(60_000, 60_000),
    },
    broker.address,
    { ...events, closed: closed.resolve },
  )
  return { said, settled, closed: closed.promise }
}

test.each([
  ['before its first day', from - 1],
  ['after its last day', until + 1],
  ['in 1970', 0],
  ['in 2090', Date.UTC(2090, 0, 1)],
])(
  'a certificate that does not count at the signed time, %s: no row leaves, nothing is settled',
  async (_what, time) => {
    const { said, settled, closed } = await told([time])
    expect(await closed).toMatchObject({
      code: 'server.expired',
      message: `the broker’s certificate counts from 2031-05-01T00:00:00.000Z until 2031-05-02T00:00:00.000Z, and the server’s signed time is ${new Date(time).toISOString()}`,
      hint: expect.stringContaining('what was taken is kept'),
    })
    expect(said).toEqual(['hello'])
    expect(settled).toEqual([])
  },
)

test('a certificate that runs out in the middle of a session ends it at the next welcome', async () => {
  const times = [from, until - 1, until, until + 1]
  const { said, settled, closed } = await told(times)
  expect(await closed).toMatchObject({ code: 'server.expired' })
  // three welcomes were good, on the very first and last moment as well, and what waits had left meanwhile
  expect(settled).toEqual([from, until - 1, until])
  expect(said.filter(type => type === 'ready')).toHaveLength(3)
  expect(said).toContain('row')
  expect(said.at(-1)).toBe('hello')
})

test('each certificate of the path has its own dates, and the one that does not count is named', () => {
  const leaf = { what: 'the broker’s certificate', from: 10, until: 30 }
  const between = { what: 'the intermediate certificate CN=x', from: 0, until: 20 }
  expect(() => checkDates([leaf, between], 15)).not.toThrow()
  expect(() => checkDates([leaf, between], 25)).toThrow(/^the intermediate certificate CN=x counts from/)
  expect(() => checkDates([leaf, between], 5)).toThrow(/^the broker’s certificate counts from/)
})

test('a box whose own certificate ran out says so, by the server’s signed time', async () => {
  const { certificate } = await makeLeaf(await makeRoot(), { from, until })
  const seen = new Fault('server.unreachable', 'connection closed')
  expect(explained(seen, certificate, until + 1)).toMatchObject({
    code: 'certificate.expired',
    message: expect.stringMatching(/^this box’s own certificate counts from 2031-05-01.* until 2031-05-02/),
    cause: seen,
  })
  expect(explained(seen, certificate, until)).toBe(seen)
  expect(explained(seen, certificate, undefined)).toBe(seen)
  const unpinned = new Fault('server.unpinned', 'somebody else')
  expect(explained(unpinned, certificate, until + 1)).toBe(unpinned)
})

test('a broker that lets nobody in whose certificate ran out: the fault names it, and the box tries on', async () => {
  const parties = makeParties()
  const { gateway, server, receipt, box, custodian } = parties
  const root = await makeRoot()
  const [own, client] = [
    await makeLeaf(root, { from, until: until + day }),
    await makeLeaf(root, { from, until }),
  ]
  let mono = 0
  broker = await makeBroker({
    shown: { root, own },
    heard: payload => {
      const { type, nonce } = parties.read(payload)
      if (type === 'hello') broker?.say(topics(server, gateway).down, parties.welcome(nonce, until - 1000))
    },
  })
  const trouble = Promise.withResolvers<Fault>()
  const welcomed = Promise.withResolvers<void>()
  const address = {
    ...broker.address,
    certificate: client.certificate,
    key: client.key,
    clientId: randomBytes(4).toString('hex'),
  }
  way = uplink({
    custodian: { ...custodian, due: async () => [] },
    gateway,
    server,
    box,
    way: () => ({ addresses: [address], receiptKey: verifyKey(receipt.publicKey) }),
    facts: () => ({ ...facts, clock: { ...old, mono } }),
    heartbeatMs: 60_000,
    window: 8,
    events: {
      ...events,
      state: (state: UplinkState, _broker, why) => {
        if (state === 'welcomed') welcomed.resolve()
        if (why?.code === 'certificate.expired') trouble.resolve(why)
      },
      unpinned: () => {},
      broken: trouble.reject,
    },
  })
  way.start()
  await welcomed.promise
  expect(way.serverTime()).toBe(until - 1000)
  // a day passes on the steady clock; the broker now lets nobody in
  mono = day
  expect(way.serverTime()).toBe(until - 1000 + day)
  broker.refuse()
  for (const socket of broker.sockets) socket.destroy()
  expect((await trouble.promise).message).toMatch(/until 2031-05-02T00:00:00.000Z/)
})

/** OpenSSL's own server, which asks for a certificate and says by an alert why it does not like one. */
async function startOpenssl(): Promise<{ port: number; root: Issued; own: Issued; end(): void }> {
  const root = await makeRoot()
  const own = await makeLeaf(root)
  const folder = mkdtempSync(join(tmpdir(), 'vitalgate-openssl-'))
  writeFileSync(join(folder, 'own.pem'), own.certificate + own.key)
  writeFileSync(join(folder, 'root.pem'), root.certificate)
  const words = 's_server -accept localhost:0 -cert own.pem -CAfile root.pem -Verify 1 -verify_return_error'
  const program = spawn('openssl', words.split(' '), {
    cwd: folder,
    // at the end of its input it hangs up
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const ready = Promise.withResolvers<number>()
  let text = ''
  program.stdout.on('data', (chunk: Buffer) => {
    text += chunk
    const port = Number(/^ACCEPT .*:(\d+)$/m.exec(text)?.[1])
    if (port > 0) ready.resolve(port)
  })
  program.on('exit', code => ready.reject(new Error(`openssl s_server ended with ${code}`)))
  const port = await ready.promise
  const end = (): void => {
    program.kill('SIGKILL')
    rmSync(folder, { recursive: true })
  }
  return { port, root, own, end }
}

test('a broker that says by its own clock that the box’s certificate ran out is told as that', async () => {
  const { port, root, own, end } = await startOpenssl()
  try {
    const gone = await makeLeaf(root, {
      purposes: [clientAuth],
      from: Date.UTC(2025, 0, 1),
      until: Date.UTC(2026, 0, 1),
    })
    const closed = Promise.withResolvers<Fault>()
    const address = {
      broker: `mqtts://localhost:${port}`,
      clientId: 'gateway',
      ca: [root.certificate],
      pins: [own.pin],
    }
    openConnection({ ...address, certificate: gone.certificate, key: gone.key }, 'down', {
      open: () => {},
      message: () => {},
      closed: closed.resolve,
    })
    expect(await closed.promise).toMatchObject({
      code: 'certificate.expired',
      message: expect.stringContaining('until 2026-01-01T00:00:00.000Z'),
    })
  } finally {
    end()
  }
})
