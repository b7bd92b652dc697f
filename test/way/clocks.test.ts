import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { until } from '../../scripts/scenario/program.ts'
import { issueServer } from '../../src/receiver/authority.ts'
import type { CommandLine } from '../../src/receiver/commands.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import { listReadings } from '../../src/receiver/readings-list.ts'
import { ownLock, paths, readSecrets } from '../../src/receiver/state.ts'
import { type FalseClock, makeFalseClock } from './false-clock.ts'
import type { Program } from './program.ts'
import {
  addDevice,
  answers,
  drained,
  openWay,
  type Plug,
  patienceMs,
  type WayBox,
  type WaySite,
} from './site.ts'

// Clocks that lie and things that run out: data is kept, goes up when it can, and nobody is accused.
jest.setTimeout(600_000)

const day = 86_400_000
const heartbeat = '[uplink]\nheartbeat = "1s"\n'
let site: WaySite
let plug: Plug
let clock: FalseClock
let serverClock: FalseClock
const mine: Program[] = []
const box = (): WayBox => site.boxes[0]!

beforeAll(async () => {
  site = await openWay({ broker: 'embedded', boxes: ['gateway'], config: heartbeat })
  const options = { mode: 'on-print' }
  plug = await addDevice(site, box(), { id: 'scale', driver: 'and-line', station: 'bench', options })
  clock = makeFalseClock(site.folder, 'gateway')
  serverClock = makeFalseClock(site.folder, 'server')
})
afterAll(async () => {
  for (const program of mine) await program.end('SIGKILL')
  await site?.close()
})

/** Starts the box anew with its clock at this time. */
async function boxAt(time: string, config = heartbeat): Promise<void> {
  await box().daemon.end('SIGTERM')
  clock.set(time)
  const file = join(site.folder, 'clock.toml')
  writeFileSync(file, config)
  const words = ['--state', box().state, '--config', file, 'run']
  box().daemon = clock.start('vitalgate', words, join(site.folder, 'gateway.log'))
  mine.push(box().daemon)
  await until('the daemon answering', patienceMs, () => answers(box()))
}

/** Starts the receiver anew with its clock at this time. */
async function receiverAt(time: string): Promise<void> {
  await site.receiverProgram.end('SIGTERM')
  serverClock.set(time)
  const words = ['--state', site.receiver, 'run']
  site.receiverProgram = serverClock.start('vitalgate-receiver', words, join(site.folder, 'receiver.log'))
  mine.push(site.receiverProgram)
}

let weights = 0
/** Somebody steps on the scale: a weight that no other has, as it is told by the receiver. */
function weigh(): string {
  const weight = (20 + ++weights / 100).toFixed(2)
  appendFileSync(plug.device, `ST,GS,+${`${weight}00`.padStart(9, '0')}kg\r\n`)
  return weight
}

const found = (weight: string) =>
  listReadings(site.store, { gateway: box().gateway, verdict: 'all' }).filter(({ values }) =>
    JSON.stringify(values).includes(weight),
  )

/** The one reading of a weight, once it is at the receiver. */
async function arrived(weight: string) {
  await until(`${weight} at the receiver`, 2 * patienceMs, () => found(weight).length > 0)
  expect(found(weight)).toHaveLength(1)
  return found(weight)[0]!
}

const notices = async (): Promise<string[]> => (await box().status()).notices
const told = (words: RegExp): Promise<void> =>
  until(`a notice of ${words}`, 2 * patienceMs, async () => (await notices()).some(one => words.test(one)))

/** Everything that was weighed is there once, accepted, and nothing was flagged. */
async function allWell(): Promise<void> {
  await drained(box())
  const all = Array.from({ length: weights }, (_, i) => found((20 + (i + 1) / 100).toFixed(2)))
  expect(all.filter(one => one.length !== 1 || one[0]!.verdict !== 'accept')).toEqual([])
  expect(listFlags(site.store, {})).toEqual([])
  expect(site.crashes()).toEqual([])
  expect(mine.flatMap(program => program.crashes())).toEqual([])
}

test.each(['1970-01-02', '2090-01-01'])(
  'a box that wakes up on %s meets its server, sends, and forgets what the server’s time lets it forget',
  async date => {
    await boxAt(`@${date} 12:00:00`, `${heartbeat}[outbox]\ngrace = "1s"\n`)
    const { time, notes } = await arrived(weigh())
    // what was signed is what the box believed, and it is noted: from afar only what is ahead can be known as wrong
    const isVouchedFor = (await box().status()).clock.source === 'ntp'
    expect(time.slice(0, 10)).toBe(date)
    expect(notes.includes('time-unsynced')).toBe(date.startsWith('2090') || !isVouchedFor)
    await until('rows forgotten', patienceMs, async () => (await box().status()).outbox.forgotten > 0)
    expect((await box().status()).uplink.state).toBe('welcomed')
    await allWell()
  },
)

test('a clock that jumps from 2090 to now and back loses nothing, and has nothing forgotten early', async () => {
  await boxAt('@2090-01-01 12:00:00')
  const dates = ['2090-01-01', 'now', '1970-01-02', '2090-01-01', 'now']
  const signed: string[] = []
  for (const date of dates) {
    clock.set(date === 'now' ? '+0' : `@${date} 12:00:00`)
    const { time, received } = await arrived(weigh())
    signed.push(time.slice(0, 10) === received.slice(0, 10) ? 'now' : time.slice(0, 10))
  }
  expect(signed).toEqual(dates)
  await allWell()
  const { outbox } = await box().status()
  // the grace period is seven days of the server's time
  expect(outbox.forgotten).toBe(0)
  expect(outbox.receipted).toBeGreaterThanOrEqual(5)
})

/** The broker shows a certificate for its own key that counts until then, from the next start on. */
async function showUntil(until: number): Promise<void> {
  const lock = ownLock(site.receiver)
  const at = paths(site.receiver)
  const authority = {
    ...readSecrets(site.receiver, 'authority', lock),
    certificate: readFileSync(at.authorityCertificate, 'utf8'),
  }
  const { brokerKey } = readSecrets(site.receiver, 'server', lock)
  // certificates are issued for ten years
  const issued = until - 10 * 365.25 * day
  writeFileSync(at.brokerCertificate, await issueServer(authority, brokerKey, ['localhost'], issued))
}

test('the broker’s certificate runs out in the middle of a session: what is weighed waits for the next one', async () => {
  const { brokerCertificate } = paths(site.receiver)
  const before = readFileSync(brokerCertificate)
  // valid for seconds, and for more of them where this machine takes longer to begin the session
  for (let seconds = 10, isMet = false; !isMet; seconds *= 2) {
    await site.receiverProgram.end('SIGTERM')
    await showUntil(Date.now() + seconds * 1000)
    await receiverAt('+0')
    const weight = weigh()
    await until('met, or too late', 2 * patienceMs, async () => {
      isMet = found(weight).length > 0
      return isMet || (await notices()).some(one => one.startsWith('the broker’s certificate counts from'))
    })
  }
  await told(/^the broker’s certificate counts from .* until .*, and the server’s signed time is /)
  const held = weigh()
  await until('the row on disk', patienceMs, async () => (await box().status()).outbox.queued > 0)
  // the box asks again and again, and is told the time again and again
  const log = () => readFileSync(box().daemon.log, 'utf8').split('"code":"server.expired"').length
  const asked = log()
  await until('asked twice more', 2 * patienceMs, () => log() >= asked + 2)
  expect(found(held)).toEqual([])
  expect((await box().status()).outbox.queued).toBeGreaterThan(0)

  await site.receiverProgram.end('SIGTERM')
  writeFileSync(brokerCertificate, before)
  await receiverAt('+0')
  await arrived(held)
  await allWell()
})

test('a server entry that ran out last month: readings are taken and sent, commands are not obeyed', async () => {
  // it counts for five years (1826.25 days) from init on
  await receiverAt('+1810d')
  await arrived(weigh())
  await told(/^the server entry runs out on 20/)
  await receiverAt('+1857d')
  await arrived(weigh())
  await told(/^the server entry ran out on 20.*commands are not obeyed/)
  await allWell()
  // by its own clock the box would see nothing of the kind
  expect(new Date((await box().status()).clock.wall).getFullYear()).toBe(new Date().getFullYear())

  const words = ['--state', site.receiver, '--json', 'command', 'send', box().gateway, 'ping', '--by', 'anne']
  const { out } = await serverClock.type('vitalgate-receiver', ...words, '--wait', '60s')
  const line = JSON.parse(out.split('\n')[0]!) as CommandLine
  expect([line.state, line.detail]).toEqual(['refused', { why: 'command.expired' }])
  await arrived(weigh())
})
