import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, startForwarder } from '../../scripts/scenario/forwarder.ts'
import { type, until } from '../../scripts/scenario/program.ts'
import type { Box, Site } from '../../scripts/scenario/site.ts'
import { isFault } from '../../src/base/fault.ts'
import type { Status } from '../../src/control/api.ts'
import { type Client, connectControl } from '../../src/control/client.ts'
import { socketPlaces } from '../../src/identity/places.ts'
import { paths } from '../../src/receiver/state.ts'
import { openStore } from '../../src/receiver/store.ts'
import { startMosquitto } from './mosquitto.ts'
import { type Program, startProgram } from './program.ts'

/** How long anything may take before a test gives up: the machine may be busy with other things. */
export const patienceMs = 60_000

/** A provisioned box whose daemon can be ended and started again. */
export interface WayBox extends Box {
  daemon: Program
  client(): Client
  status(): Promise<Status>
}

/** The two ends of a device's line and the program between them. */
export interface Plug {
  port: string
  device: string
  socat: Program
}

/** A site of the test's own: real programs, real TLS, real lines, all of it in one temporary folder. */
export interface WaySite extends Site {
  boxes: WayBox[]
  receiverProgram: Program
  /** Mosquitto, or the receiver where the broker is within it. */
  brokerProgram: Program
  /** How commands are typed. */
  type: typeof type
  plug(name: string): Promise<Plug>
  /** Brings Mosquitto the newest rules, as an operator does after an enrolment; nothing where it is not used. */
  renewBroker(): Promise<void>
  /** Ends every program and removes the folder; gives what had ended by itself. */
  close(): Promise<void>
  crashes(): string[]
}

/** What a site is made of. */
export interface SitePlan {
  broker: 'embedded' | 'mosquitto'
  boxes: readonly string[]
  /** Text of every box's vitalgate.toml. */
  config?: string
  /** Whether Mosquitto lets the spy hear everything; if not, the receiver follows its log. */
  spied?: boolean
  /** How commands are typed, if not each in a process of its own. */
  type?: typeof type
}

/** Types one command of the receiver. */
export const typeReceiver = (
  site: Pick<Site, 'receiver'> & Partial<Pick<WaySite, 'type'>>,
  ...words: string[]
): Promise<string> => (site.type ?? type)('vitalgate-receiver', ['--state', site.receiver, ...words])

/** Whether the daemon answers; anything but its absence is an error. */
export async function answers(box: Pick<WayBox, 'client'>): Promise<boolean> {
  try {
    await box.client().ask('status', {})
    return true
  } catch (error) {
    if (isFault(error, 'control.absent')) return false
    throw error
  }
}

/** The four steps of provisioning, as the technician and the operator type them. */
async function provision(
  folder: string,
  site: Pick<WaySite, 'receiver' | 'type'>,
  { name, words, config }: { name: string; words: string[]; config: string },
  programs: Program[],
  enrolled: () => Promise<void>,
): Promise<WayBox> {
  const state = join(folder, name)
  const request = join(folder, `${name}.request.json`)
  const own = ['--state', state, '--config', config]
  mkdirSync(state, { mode: 0o700 })
  const daemon = startProgram('vitalgate', [...own, 'run'], join(folder, `${name}.log`))
  programs.push(daemon)
  const client = (): Client => connectControl(socketPlaces(state, undefined, {}))
  const box = { state, daemon, client, status: () => client().ask('status', {}) }
  await until(`${name} answering`, patienceMs, () => answers(box))
  const asked = JSON.parse(
    await site.type('vitalgate', [...own, 'provision', 'request', '--out', request, '--json']),
  ) as { gateway: string; words: string[] }
  await typeReceiver(
    site,
    ...['registry', 'enrol', request, '--site', 'test', '--words', asked.words.join(' ')],
    ...['--out', folder, '--passphrase-file', join(folder, 'passphrase')],
  )
  await enrolled()
  const bundle = join(folder, `${asked.gateway}.bundle.json`)
  await site.type('vitalgate', [...own, 'provision', 'accept', bundle, '--root-words', words.join(' ')])
  await site.type('vitalgate', [...own, 'provision', 'verify'])
  return { ...box, gateway: asked.gateway }
}

/** Makes the keys, starts broker and receiver, and provisions each box; on failure nothing is left behind. */
export async function openWay(plan: SitePlan): Promise<WaySite> {
  const folder = mkdtempSync(join(tmpdir(), 'vitalgate-way-'))
  const programs: Program[] = []
  const forwarder = await startForwarder()
  const end = async (): Promise<void> => {
    for (const program of programs.toReversed()) await program.end('SIGKILL')
    await forwarder.close()
    rmSync(folder, { recursive: true })
  }
  try {
    const site = await furnish(plan, folder, programs, forwarder)
    const close = async (): Promise<void> => {
      site.store.close()
      await end()
    }
    return { ...site, close }
  } catch (error) {
    await end()
    throw error
  }
}

async function furnish(
  { broker, boxes: names, config: text = '', spied = true, type: typed = type }: SitePlan,
  folder: string,
  programs: Program[],
  forwarder: Site['forwarder'],
): Promise<Omit<WaySite, 'close'>> {
  const receiver = join(folder, 'receiver')
  const config = join(folder, 'vitalgate.toml')
  const passphrase = join(folder, 'passphrase')
  const brokerPort = await freePort()
  writeFileSync(config, text)
  writeFileSync(passphrase, `${randomBytes(16).toString('hex')}\n`, { mode: 0o600 })
  const where =
    broker === 'embedded'
      ? ['--host', 'localhost', '--port', String(brokerPort)]
      : ['--broker', `mqtts://localhost:${brokerPort}`]
  const announced = ['--announce', `mqtts://localhost:${forwarder.port}`]
  const { words } = JSON.parse(
    await typeReceiver(
      { receiver, type: typed },
      'init',
      ...where,
      ...announced,
      '--passphrase-file',
      passphrase,
      '--json',
    ),
  ) as { words: string[] }
  const mosquitto =
    broker === 'mosquitto' ? await startMosquitto(folder, brokerPort, receiver, spied) : undefined
  if (mosquitto !== undefined) programs.push(mosquitto.program)
  const log = join(folder, 'receiver.log')
  // whoever is not enrolled is told, and the spy is not
  const watching = mosquitto === undefined || spied ? [] : ['--broker-log', mosquitto.log]
  const receiverProgram = startProgram('vitalgate-receiver', ['--state', receiver, 'run', ...watching], log)
  programs.push(receiverProgram)
  forwarder.redirect(brokerPort)
  const renewBroker = async (): Promise<void> => mosquitto?.renew()
  const boxes: WayBox[] = []
  for (const name of names) {
    boxes.push(
      await provision(folder, { receiver, type: typed }, { name, words, config }, programs, renewBroker),
    )
  }
  return {
    ...{ folder, receiver, brokerPort, forwarder, boxes, receiverProgram, type: typed, renewBroker },
    brokerProgram: mosquitto?.program ?? receiverProgram,
    store: openStore(paths(receiver).database),
    async plug(name) {
      const [port, device] = [join(folder, `${name}.port`), join(folder, `${name}.device`)]
      const ends = [port, device].map(link => `pty,raw,echo=0,link=${link}`)
      const socat = startProgram('socat', ends, join(folder, `${name}.socat.log`))
      programs.push(socat)
      await until(`${name}'s port`, patienceMs, () => existsSync(port) && existsSync(device))
      return { port, device, socat }
    },
    crashes: () => programs.flatMap(program => program.crashes()),
  }
}

/** A device as a technician describes it. */
export interface NewDevice {
  id: string
  driver: string
  station: string
  options?: Record<string, string | boolean | number>
}

/** Adds a device at a new line and has the operator accept it; the line's ends. */
export async function addDevice(
  site: WaySite,
  box: WayBox,
  { id, driver, station, options = {} }: NewDevice,
): Promise<Plug> {
  const plug = await site.plug(id)
  await box.client().ask('addDevice', { id, driver, station, options, port: plug.port })
  const state = async (): Promise<string | undefined> =>
    (await box.status()).devices.find(one => one.id === id)?.state
  await until(`${id} open`, patienceMs, async () => (await state()) === 'open')
  await until(`the proposal of ${id}`, patienceMs, async () =>
    (await typeReceiver(site, 'registry', 'devices', 'list', box.gateway, '--json')).includes(`"${id}"`),
  )
  await typeReceiver(site, 'registry', 'devices', 'accept', box.gateway, id)
  return plug
}

/** Waits until the server has receipted everything that the box holds. */
export const drained = (box: WayBox): Promise<void> =>
  until('everything receipted', patienceMs * 2, async () => {
    const { outbox, uplink } = await box.status()
    return outbox.queued === 0 && uplink.state === 'welcomed'
  })
