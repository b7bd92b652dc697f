import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isFault } from '../../src/base/fault.ts'
import { connectControl } from '../../src/control/client.ts'
import { socketPlaces } from '../../src/identity/places.ts'
import { paths as receiverPaths } from '../../src/receiver/state.ts'
import { openStore, type Store } from '../../src/receiver/store.ts'
import { type Forwarder, freePort, startForwarder } from './forwarder.ts'
import { type Running, start, type, until } from './program.ts'

/** One box of the site: its folder, its id, and the daemon if it runs. */
export interface Box {
  state: string
  gateway: string
  daemon: Running
}

/** Everything of the demo that runs: one receiver, two boxes, and the network between them. */
export interface Site {
  folder: string
  receiver: string
  brokerPort: number
  forwarder: Forwarder
  /** The receiver's database, read as `readings list` reads it. */
  store: Store
  /** The provisioned boxes, in the order in which they were named. */
  boxes: Box[]
  /** The far end of a device's port: what a capture is played into. */
  plug(name: string): Promise<{ port: string; device: string }>
  close(): Promise<void>
}

/** A site that this module started. */
export interface StartedSite extends Site {
  /** The receiver, as it was started last. */
  server(): Running
  /** Starts it again, after it was stopped. */
  startServer(): void
}

/** The first box: in the demo the one with the devices. */
export const siteBox = ({ boxes }: Pick<Site, 'boxes'>): Box => {
  const [box] = boxes
  if (box === undefined) throw new Error('the site has no box')
  return box
}

/** The second box: in the demo one without devices. */
export const idleBox = ({ boxes }: Pick<Site, 'boxes'>): Box => siteBox({ boxes: boxes.slice(1) })

const round = fileURLToPath(new URL('round', import.meta.url))

/** A capture of the morning round. */
export const capture = (name: string): string => join(round, `${name}.jsonl`)

async function ready(state: string): Promise<boolean> {
  try {
    await connectControl(socketPlaces(state, undefined, {})).ask('status', {})
    return true
  } catch (error) {
    if (isFault(error, 'control.absent')) return false // not yet
    throw error
  }
}

/** What a site is made of. */
interface SitePlan {
  /** Boxes to be provisioned. */
  names: readonly string[]
  /** Leaves the forwarder out of their way. */
  direct?: boolean
  /** Words for the Node.js of the receiver. */
  node?: readonly string[]
}

/**
 * Starts the demo's receiver, gateways and network in a folder, and provisions each named gateway by the four steps.
 * Where a step fails, nothing runs on.
 */
export async function openSite(
  folder: string,
  tell: (line: string) => void,
  died: (why: string) => void,
  plan: SitePlan,
): Promise<StartedSite> {
  const forwarder = await startForwarder()
  const running: Running[] = []
  const end = async (): Promise<void> => {
    for (const one of running.toReversed()) await one.stop()
    await forwarder.close()
  }
  try {
    const site = await furnish(folder, tell, died, plan, { forwarder, running })
    const close = (): Promise<void> => {
      site.store.close()
      return end()
    }
    return { ...site, close }
  } catch (error) {
    await end()
    throw error
  }
}

async function furnish(
  folder: string,
  tell: (line: string) => void,
  died: (why: string) => void,
  { names, direct = false, node = [] }: SitePlan,
  { forwarder, running }: { forwarder: Forwarder; running: Running[] },
): Promise<Omit<StartedSite, 'close'>> {
  const receiver = join(folder, 'receiver')
  const passphrase = join(folder, 'passphrase')
  const brokerPort = await freePort()
  const announced = direct ? brokerPort : forwarder.port
  writeFileSync(passphrase, `${randomBytes(16).toString('hex')}\n`, { mode: 0o600 })

  tell('making the registry, its keys and certificates')
  const server = ['--state', receiver]
  const { words } = JSON.parse(
    await type('vitalgate-receiver', [
      ...server,
      ...['init', '--host', 'localhost', '--port', String(brokerPort)],
      ...['--announce', `mqtts://localhost:${announced}`, '--passphrase-file', passphrase, '--json'],
    ]),
  ) as { words: string[] }
  const startServer = (): Running => {
    const one = start('vitalgate-receiver', [...server, 'run'], join(folder, 'receiver.log'), died, node)
    running.push(one)
    return one
  }
  let serving = startServer()
  forwarder.redirect(brokerPort)

  const provision = async (name: string): Promise<Box> => {
    const state = join(folder, name)
    mkdirSync(state, { mode: 0o700 })
    const request = join(folder, `${name}.request.json`)
    const box = ['--state', state]
    const daemon = start('vitalgate', [...box, 'run'], join(folder, `${name}.log`), died)
    running.push(daemon)
    await until(`${name} answering`, 20_000, () => ready(state))
    const asked = JSON.parse(
      await type('vitalgate', [...box, 'provision', 'request', '--out', request, '--json']),
    ) as {
      gateway: string
      words: string[]
    }
    tell(`${name}: keys made on the box; its request reads ${asked.words.join(' ')}`)
    await type('vitalgate-receiver', [
      ...server,
      ...['registry', 'enrol', request, '--site', 'demo', '--words', asked.words.join(' ')],
      ...['--out', folder, '--passphrase-file', passphrase],
    ])
    const bundle = join(folder, `${asked.gateway}.bundle.json`)
    await type('vitalgate', [...box, 'provision', 'accept', bundle, '--root-words', words.join(' ')])
    await type('vitalgate', [...box, 'provision', 'verify'])
    tell(`${name}: enrolled, accepted, verified by a receipt of the server`)
    return { state, gateway: asked.gateway, daemon }
  }

  const boxes: Box[] = []
  for (const name of names) boxes.push(await provision(name))
  const store = openStore(receiverPaths(receiver).database)

  return {
    folder,
    receiver,
    brokerPort,
    forwarder,
    store,
    boxes,
    server: () => serving,
    startServer() {
      serving = startServer()
    },
    async plug(name) {
      const port = join(folder, `${name}.port`)
      const device = join(folder, `${name}.device`)
      const ends = [port, device].map(link => `pty,raw,echo=0,link=${link}`)
      running.push(start('socat', ends, join(folder, `${name}.socat.log`), died))
      await until(`${name}'s port`, 10_000, () => existsSync(port) && existsSync(device))
      return { port, device }
    },
  }
}
