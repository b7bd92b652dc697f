import { X509Certificate } from 'node:crypto'
import { connect as connectTls } from 'node:tls'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals'
import type { MqttClient } from 'mqtt'
import { until } from '../../scripts/scenario/program.ts'
import type { Refusal } from '../../src/receiver/broker-refusals.ts'
import { readRefusals } from '../../src/receiver/refusal-log.ts'
import type { Program } from '../way/program.ts'
import { authority, idOf } from './broker-fixture.ts'
import {
  closed,
  dial,
  type Ends,
  granted,
  hear,
  makeSite,
  patienceMs,
  type Site,
} from './mosquitto-fixture.ts'

// Debian's Mosquitto, run with exactly what the registry exports (WIRE 8): what it lets happen, what it refuses,
// and that its log names each refusal.
jest.setTimeout(120_000)

const [gateway, neighbour, stranger] = [idOf(), idOf(), idOf()]
let site: Site
let broker: Program
let read: (line: string, now: number) => Refusal[]
let mark = 0
const clients: MqttClient[] = []
const up = (id: string) => `vitalgate/1/${site.server}/${id}/up`
const down = (id: string) => `vitalgate/1/${site.server}/${id}/down`
const shared = () => `$share/${site.server}/vitalgate/1/${site.server}/+/up`

beforeAll(async () => {
  site = await makeSite()
  site.enrol(gateway)
  site.enrol(neighbour)
  await site.exported()
  broker = await site.start()
  const isEnrolled = (id: string): boolean => id === gateway || id === neighbour
  read = readRefusals({ server: site.server, receiver: site.receiver, isEnrolled })
})
beforeEach(() => {
  mark = site.logged().length
})
afterEach(() => {
  for (const client of clients.splice(0)) client.end(true)
})
afterAll(() => site?.close())

/** Who was refused what in this test so far, in the words of the flag. */
const refused = (): string[] =>
  site
    .logged(mark)
    .split('\n')
    .flatMap(line => read(line, Date.now()))
    .map(({ reason, name, detail }) => `${reason} ${name ?? '-'} ${detail}`.trim())

/** Has the broker read its configuration, certificates and list again. */
async function reload(): Promise<void> {
  const from = site.logged().length
  broker.child.kill('SIGHUP')
  await until('the reload', patienceMs, () => site.logged(from).includes('Reloading config'))
}

/** The refusals of this test, once its log tells what it is to end with. */
async function refusedUntil(end: string): Promise<string[]> {
  await until(`the log telling ${end}`, patienceMs, () => site.logged(mark).includes(end))
  return refused()
}

async function enter(name: string, clientId = name, more = {}): Promise<MqttClient> {
  const client = await dial(site, await site.ends(name), clientId, more)
  client.on('error', () => undefined)
  clients.push(client)
  return client
}
const tell = (client: MqttClient, topic: string, text: string) => client.publishAsync(topic, text, { qos: 1 })

// a reload of 2.0.11 forgets this one, and max_connections: docs/OPERATE.md says so
test('QoS 2 closes the connection', async () => {
  const twice = await enter(neighbour)
  twice.publish(up(neighbour), 'x', { qos: 2 })
  await closed(twice)
  expect(await refusedUntil('Too high QoS')).toEqual([`forbidden-publish ${neighbour} QoS 2`])
})

// a reload must not take back what the configuration says (rotating a log reloads it)
describe.each(['after its start', 'after a reload'])('%s', when => {
  beforeAll(async () => {
    if (when === 'after a reload') await reload()
  })

  test('gateways and receivers may do what they must, and nothing of it is told as refused', async () => {
    const [first, second, receiver] = [
      await enter(gateway),
      await enter(neighbour),
      await enter(site.receiver),
    ]
    expect([
      await granted(first, down(gateway)),
      await granted(second, down(neighbour)),
      await granted(receiver, shared()),
    ]).toEqual([true, true, true])
    const [atFirst, atSecond, atReceiver] = [hear(first), hear(second), hear(receiver)]
    await tell(first, up(gateway), 'one')
    await tell(second, up(neighbour), 'two')
    await atReceiver.until(2)
    await tell(receiver, down(gateway), 'for the first')
    await tell(receiver, down(neighbour), 'for the second')
    await Promise.all([atFirst.until(1), atSecond.until(1)])
    expect(atReceiver.heard.toSorted()).toEqual([`${up(gateway)} one`, `${up(neighbour)} two`].toSorted())
    expect(atFirst.heard).toEqual([`${down(gateway)} for the first`])
    expect(atSecond.heard).toEqual([`${down(neighbour)} for the second`])
    // where a broker cannot share, the receiver subscribes plainly (WIRE 8.2)
    await receiver.unsubscribeAsync(shared())
    expect(await granted(receiver, `vitalgate/1/${site.server}/+/up`)).toBe(true)
    expect(refused()).toEqual([])
  })

  test('a gateway subscribes its own down and nothing else, and nothing foreign reaches it', async () => {
    const [thief, receiver, honest] = [
      await enter(gateway),
      await enter(site.receiver),
      await enter(neighbour),
    ]
    const filters = [
      '#',
      '+/#',
      '$SYS/#',
      '$CONTROL/#',
      up(gateway),
      down(neighbour),
      `vitalgate/1/${site.server}/+/down`,
      `vitalgate/1/${site.server}/+/up`,
      shared(),
      `$share/other/vitalgate/1/${site.server}/+/up`,
      `$share/${site.server}/${up(neighbour)}`,
      `$share/${site.server}/${down(gateway)}`,
    ]
    for (const filter of filters) expect([filter, await granted(thief, filter)]).toEqual([filter, false])
    expect(await granted(thief, down(gateway))).toBe(true)
    await granted(receiver, shared())
    const [atThief, atReceiver] = [hear(thief), hear(receiver)]
    // with a foreign $share/… granted, the thief would swallow half of these
    const said = Array.from({ length: 20 }, (_, at) => `reading ${at}`)
    for (const text of said) await tell(honest, up(neighbour), text)
    await atReceiver.until(said.length)
    await tell(receiver, down(neighbour), 'not for the thief')
    await tell(receiver, down(gateway), 'the last')
    await atThief.until(1)
    expect(atReceiver.heard).toEqual(said.map(text => `${up(neighbour)} ${text}`))
    expect(atThief.heard).toEqual([`${down(gateway)} the last`])
    expect(refused()).toEqual(filters.map(filter => `forbidden-subscribe ${gateway} ${filter}`.slice(0, 175)))
  })

  test('a gateway publishes its own up and nothing else', async () => {
    const [thief, receiver, honest] = [
      await enter(gateway),
      await enter(site.receiver),
      await enter(neighbour),
    ]
    await granted(receiver, shared())
    await granted(honest, down(neighbour))
    const [atHonest, atReceiver] = [hear(honest), hear(receiver)]
    const foreign = [
      up(neighbour),
      down(neighbour),
      down(gateway),
      `${up(gateway)}/more`,
      '$CONTROL/dynamic-security/v1',
      '$SYS/broker',
      `vitalgate/${'long'.repeat(300)}`,
    ]
    // acknowledged and thrown away: Mosquitto tells a client of MQTT 3.1.1 nothing else
    for (const topic of foreign) await tell(thief, topic, 'foreign')
    await tell(receiver, down(neighbour), 'the last')
    await tell(thief, up(gateway), 'the last')
    await Promise.all([atHonest.until(1), atReceiver.until(1)])
    expect(atReceiver.heard).toEqual([`${up(gateway)} the last`])
    expect(atHonest.heard).toEqual([`${down(neighbour)} the last`])
    expect(refused()).toEqual(foreign.map(topic => `forbidden-publish ${gateway} ${topic.slice(0, 128)}`))
  })

  test('a receiver publishes down and hears up, and nothing else', async () => {
    const receiver = await enter(site.receiver)
    for (const filter of [
      '#',
      `vitalgate/1/${site.server}/+/down`,
      `$share/x/vitalgate/1/${site.server}/+/up`,
      up(gateway),
    ]) {
      expect([filter, await granted(receiver, filter)]).toEqual([filter, false])
    }
    await tell(receiver, up(gateway), 'a reading that no gateway sent')
    expect(refused()).toContain(`forbidden-publish ${site.receiver} ${up(gateway)}`)
  })

  test('nothing is retained: whoever tries is cut off, and told', async () => {
    const client = await enter(gateway)
    client.publish(up(gateway), 'for ever', { qos: 1, retain: true })
    await closed(client)
    const told = await refusedUntil(`on client ${gateway}`)
    expect(told).toEqual([`forbidden-publish ${gateway} retained, or what the broker has no word for`])
    const receiver = await enter(site.receiver)
    const { heard, until: untilHeard } = hear(receiver)
    await granted(receiver, `vitalgate/1/${site.server}/+/up`)
    await tell(await enter(gateway), up(gateway), 'now')
    await untilHeard(1)
    expect(heard).toEqual([`${up(gateway)} now`])
  })

  test('a packet of 64 KiB passes, a longer one closes the connection', async () => {
    const whole = 65_536
    // fixed header 1 + 3 bytes of length, 2 bytes before the topic, 2 of packet id (MQTT 3.1.1, 3.3)
    const payload = whole - 8 - Buffer.byteLength(up(gateway))
    const receiver = await enter(site.receiver)
    const { heard, until: untilHeard } = hear(receiver)
    await granted(receiver, shared())
    const fits = await enter(gateway)
    await tell(fits, up(gateway), 'x'.repeat(payload))
    await untilHeard(1)
    expect(heard[0]!.length).toBe(up(gateway).length + 1 + payload)
    // Mosquitto counts one byte for the fixed header, which has four here
    fits.publish(up(gateway), 'x'.repeat(payload + 4), { qos: 1 })
    await closed(fits)
    expect(await refusedUntil('oversize')).toEqual([`packet-too-long ${gateway}`])
    expect(heard.length).toBe(1)
  })

  test('a client id other than the certificate’s name is impossible', async () => {
    const honest = await enter(neighbour)
    await granted(honest, down(neighbour))
    const first = await enter(gateway, neighbour)
    // the broker goes by the certificate: the neighbour stays, and what is not the thief's own is refused
    await tell(first, up(neighbour), 'in the name of another')
    expect(await granted(first, down(neighbour))).toBe(false)
    expect(honest.connected).toBe(true)
    const second = await enter(gateway, 'a third name')
    await closed(first)
    expect([second.connected, honest.connected]).toEqual([true, true])
    expect(refused()).toEqual([
      `forbidden-publish ${gateway} ${up(neighbour)}`,
      `forbidden-subscribe ${gateway} ${down(neighbour)}`,
    ])
    expect(site.logged(mark)).not.toContain('a third name')
  })

  test('no certificate, one of another CA of the same name, and no TLS at all are refused', async () => {
    const { ca } = await site.ends(gateway)
    const rejected = async (ends: Ends): Promise<void> => {
      await expect(dial(site, ends, gateway)).rejects.toThrow()
    }
    await rejected({ ca })
    await until('the first', patienceMs, () => site.logged(mark).includes('did not return a certificate'))
    const foreign = await authority(new X509Certificate(ca).subject.replace('CN=', ''))
    await rejected({ ...(await foreign.certified(gateway)), ca })
    await until('the second', patienceMs, () => site.logged(mark).includes('verify failed'))
    const raw = connectTls({
      ...{ port: site.port, host: 'localhost', maxVersion: 'TLSv1.1', minVersion: 'TLSv1' },
      ciphers: 'DEFAULT@SECLEVEL=0',
    })
    raw.on('error', () => undefined)
    await new Promise(resolve => raw.once('close', resolve))
    const told = await refusedUntil('unsupported protocol')
    expect(told).toEqual([
      'no-certificate -',
      'foreign-certificate - foreign, revoked or out of date',
      'no-tls - unsupported protocol',
    ])
  })

  test('a certificate of ours that is nobody’s may connect and do nothing; that he came is told', async () => {
    const client = await enter(stranger)
    expect(await granted(client, down(stranger))).toBe(false)
    await tell(client, up(stranger), 'a reading')
    const foreignWill = { topic: up(gateway), payload: Buffer.from('x'), qos: 1 as const, retain: false }
    await enter(neighbour, neighbour, { will: foreignWill })
    expect(await refusedUntil(`\t${up(gateway)}`)).toEqual([
      `not-enrolled ${stranger} connected, may do nothing`,
      `forbidden-subscribe ${stranger} ${down(stranger)}`,
      `forbidden-publish ${stranger} ${up(stranger)}`,
      `will ${neighbour} ${up(gateway)}`,
    ])
  })
})
