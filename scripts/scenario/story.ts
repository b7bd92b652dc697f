import { join } from 'node:path'
import { listFlags } from '../../src/receiver/flags.ts'
import { listReadings, type ReadingLine } from '../../src/receiver/readings-list.ts'
import { counted } from '../../src/receiver/store.ts'
import type { Flag } from '../../src/wire/flags.ts'
import * as attacks from './attacks.ts'
import { type Expected, isExpected, newcomerReading, roundReadings } from './expected.ts'
import { type, until } from './program.ts'
import { capture, idleBox, type Site, siteBox } from './site.ts'
import { bold, dim, green, red, tableLine, tell } from './table.ts'

/** What came out differently than it should. Empty is what everybody hopes for. */
export type Misses = string[]

const patienceMs = 20_000

/** All readings of the busy box, quarantined ones too. */
export const readingsOf = (site: Site): ReadingLine[] =>
  listReadings(site.store, { gateway: siteBox(site).gateway, verdict: 'all' })

/** How often a flag was raised or, for what is only counted, seen. */
const seen = (site: Site, flag: Flag): number =>
  flag === 'DUPLICATE' ? counted(site.store, flag) : listFlags(site.store, { flag }).length

/** Tells each reading as it arrives or changes its verdict: by itself, and at once when asked to look. */
export function tellReadings(site: Site): { look(): void; stop(): void } {
  const told = new Map<string, string>()
  const look = (): void => {
    for (const line of readingsOf(site)) {
      const place = `${line.epoch} ${line.seq}`
      if (told.get(place) === line.verdict) continue
      told.set(place, line.verdict)
      tell(tableLine(line))
    }
  }
  const timer = setInterval(look, 200)
  return {
    look,
    stop() {
      look()
      clearInterval(timer)
    },
  }
}

const vitalgate = (site: Site, ...args: string[]) =>
  type('vitalgate', ['--state', siteBox(site).state, ...args])
const receiver = (site: Site, ...args: string[]) =>
  type('vitalgate-receiver', ['--state', site.receiver, ...args])

/** Adds a device at a new port; gives the end that the device's bytes go into. */
async function addDevice(site: Site, device: string, driver: string): Promise<string> {
  const { port, device: end } = await site.plug(device)
  await vitalgate(site, 'device', 'add', device, '--driver', driver, '--port', port, '--station', 'room-12')
  await until(`${device} open`, patienceMs, async () => {
    const { devices } = JSON.parse(await vitalgate(site, 'status', '--json')) as {
      devices: { id: string; state: string }[]
    }
    return devices.some(one => one.id === device && one.state === 'open')
  })
  return end
}

const accept = (site: Site, device: string, ...more: string[]) =>
  receiver(site, 'registry', 'devices', 'accept', siteBox(site).gateway, device, ...more)

const proposed = (site: Site, device: string) =>
  until(`the proposal of ${device}`, patienceMs, async () =>
    (await receiver(site, 'registry', 'devices', 'list', siteBox(site).gateway, '--json')).includes(
      `"${device}"`,
    ),
  )

/** Adds and accepts the devices of the round; gives where each one's bytes go. */
export async function furnish(site: Site): Promise<Map<string, string>> {
  const ends = new Map<string, string>()
  for (const [device, driver] of [
    ['scanner', 'barcode-scanner'],
    ['scale', 'and-line'],
    ['cuff', 'omron-hbp9030'],
  ] as const) {
    ends.set(device, await addDevice(site, device, driver))
    await proposed(site, device)
    await accept(site, device)
  }
  return ends
}

const play = (site: Site, name: string, to: string) =>
  vitalgate(site, 'capture', 'replay', capture(name), '--to', to)

function compare(site: Site, expected: readonly Expected[], misses: Misses): void {
  const lines = readingsOf(site).filter(line => line.verdict === 'accept')
  for (const [at, one] of expected.entries()) {
    if (!lines.some(line => isExpected(line, one)))
      misses.push(`reading ${at + 1} of ${one.device} did not arrive`)
  }
  if (lines.length !== expected.length)
    misses.push(`${lines.length} readings accepted, ${expected.length} expected`)
}

/** The morning round: two residents scanned, weighed and measured, and one weight without a scan. */
export async function morningRound(site: Site, ends: Map<string, string>, misses: Misses): Promise<void> {
  await Promise.all([...ends].map(([name, end]) => play(site, name, end)))
  await until('the round', patienceMs, () => readingsOf(site).length >= roundReadings.length)
  compare(site, roundReadings, misses)
}

/** A device that was just added: its reading waits until the operator accepts it. */
export async function newcomer(site: Site, look: () => void, misses: Misses): Promise<void> {
  tell()
  tell(
    bold(
      'A new wheelchair scale is plugged in; nobody accepted it yet: its reading waits, and is not shown.',
    ),
  )
  const end = await addDevice(site, 'wheelchair-scale', 'tanita-csv')
  // the room's last scan is over: whoever is weighed now was not scanned
  await play(site, 'wheelchair-scale', end)
  await until('its reading in quarantine', patienceMs, () =>
    readingsOf(site).some(line => line.device === 'wheelchair-scale' && line.verdict === 'quarantine'),
  )
  if (seen(site, 'DEVICE_UNREGISTERED') === 0) misses.push('no DEVICE_UNREGISTERED was raised')
  look()
  tell(dim('… the operator accepts the device, and releases what waited:'))
  await accept(site, 'wheelchair-scale', '--release')
  await until('its release', patienceMs, () => readingsOf(site).every(line => line.verdict === 'accept'))
  look()
  compare(site, [...roundReadings, newcomerReading], misses)
}

/** One attack: told in a sentence, done, and judged by what the receiver or gateway says of it. */
async function attack(
  site: Site,
  misses: Misses,
  {
    letter,
    flag,
    held,
    tried,
    stopped,
  }: Record<'letter' | 'held' | 'tried' | 'stopped', string> & { flag: Flag },
  act: () => Promise<void>,
): Promise<void> {
  const before = seen(site, flag)
  const readings = readingsOf(site).length
  await act()
  try {
    await until(flag, patienceMs, () => seen(site, flag) > before)
  } catch {
    misses.push(`attack ${letter}: ${flag} was not raised`)
  }
  if (readingsOf(site).length !== readings) misses.push(`attack ${letter}: a reading came in`)
  const outcome = seen(site, flag) > before ? green(flag) : red(`not ${flag}`)
  tell(`${bold(`(${letter})`)} He held ${held}; he ${tried}; ${stopped}: ${outcome}.`)
}

/** The five attackers, one after the other, none with a back door in the product. */
export async function attackers(site: Site, misses: Misses): Promise<void> {
  tell()
  tell(bold('Now the attackers.'))
  await attack(
    site,
    misses,
    {
      letter: 'a',
      flag: 'BROKER_REFUSED',
      held: 'a certificate with the right name from another CA',
      tried: 'knocked at the broker',
      stopped: 'the broker shut him out and told the receiver',
    },
    () => attacks.knockWithForeignCertificate(site),
  )
  await attack(
    site,
    misses,
    {
      letter: 'b',
      flag: 'UNKNOWN_KEY',
      held: 'an enrolled box with its certificate',
      tried: 'sent a weight signed with a key of his own',
      stopped: 'no binding names that key, so it was kept apart as potentially false',
    },
    () => attacks.signWithUnknownKey(site),
  )
  const stolen = attacks.copyFromOutbox(site)
  await attack(
    site,
    misses,
    {
      letter: 'c',
      flag: 'TOPIC_MISMATCH',
      held: 'a genuine envelope from a copied outbox, and the CA’s folder',
      tried: 'put it on the topic of an idle second gateway',
      stopped: 'the signature inside names the first, so it was kept apart',
    },
    () => attacks.replayOn(site, idleBox(site).gateway, stolen),
  )
  await attack(
    site,
    misses,
    {
      letter: 'd',
      flag: 'DUPLICATE',
      held: 'the same envelope and folder',
      tried: 'replayed it where it belongs',
      stopped: 'it was known already, so it was counted and changed nothing',
    },
    () => attacks.replayOn(site, siteBox(site).gateway, stolen),
  )
  await rogueServer(site, misses)
}

interface GatewayStatus {
  outbox: { queued: number; receipted: number; forgotten: number }
  uplink: { state: string; refusal?: { flag: string } }
}

/** (e) The network leads to a rogue server, and back again. */
async function rogueServer(site: Site, misses: Misses): Promise<void> {
  const status = async (): Promise<GatewayStatus> => JSON.parse(await vitalgate(site, 'status', '--json'))
  await until(
    'the gateway connected',
    patienceMs * 2,
    async () => (await status()).uplink.state === 'welcomed',
  )
  const rogue = await attacks.startRogue(site)
  await attack(
    site,
    misses,
    {
      letter: 'e',
      flag: 'SERVER_KEY_UNPINNED',
      held: 'the network and a server certificate valid for the name',
      tried: 'switched the gateway’s connection over to his own server',
      stopped:
        'the gateway saw that the key is not pinned, sent nothing, deleted nothing, and reported it later',
    },
    async () => {
      const before = await status()
      site.forwarder.redirect(rogue.port)
      await until(
        'the gateway refusing',
        patienceMs * 2,
        async () => (await status()).uplink.refusal !== undefined,
      )
      const { outbox, uplink } = await status()
      if (uplink.refusal?.flag !== 'SERVER_KEY_UNPINNED')
        misses.push('attack e: the gateway does not say why')
      if (rogue.heard() > 0) misses.push(`attack e: ${rogue.heard()} bytes left the gateway`)
      if (outbox.forgotten !== before.outbox.forgotten) misses.push('attack e: rows were deleted')
      if (outbox.receipted < before.outbox.receipted) misses.push('attack e: rows changed their state')
      site.forwarder.redirect(site.brokerPort)
    },
  )
  await rogue.close()
}

/** Ready-to-paste commands for a second terminal. */
export function tellCommands(site: Site, scripts: string): void {
  tell()
  tell(`State folder: ${site.folder}`)
  tell('In a second terminal:')
  tell(`  ${join(scripts, 'vitalgate')} --state ${siteBox(site).state} status`)
  tell(`  ${join(scripts, 'vitalgate-receiver')} --state ${site.receiver} readings list`)
  tell(`  ${join(scripts, 'vitalgate-receiver')} --state ${site.receiver} flags list`)
  tell()
}
