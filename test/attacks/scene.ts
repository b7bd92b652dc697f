import { closeSync, openSync, writeSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { until } from '../../scripts/scenario/program.ts'
import type { Status } from '../../src/control/api.ts'
import { type FlagLine, listFlags } from '../../src/receiver/flags.ts'
import { listReadings, type ReadingLine } from '../../src/receiver/readings-list.ts'
import type { Program } from '../way/program.ts'
import { addDevice, answers, openWay, type Plug, patienceMs, type WayBox, type WaySite } from '../way/site.ts'
import { type Build, buildWithout, linesOf } from './build.ts'
import type { Piece } from './piece.ts'

/** A program of the scene that runs on. */
export type Running = 'receiver' | 'first' | 'second'

/** A place in a gateway's chains. */
export interface At {
  gateway: string
  epoch: string
  seq: number
}

/** Two honest gateways with a scale each, their server, and whoever attacks them. */
export interface Scene {
  site: WaySite
  first: WayBox
  second: WayBox
  /** Where the first one's scale writes to. */
  scale: Plug
  /** The programs as they are, or the test build that this run is about. */
  build: Build
  /** Ends a program and starts it again, of the present build; `between` happens while it is down. */
  restart(program: Running, between?: () => void | Promise<void>): Promise<void>
  stop(program: Running): Promise<void>
  /** `condition` is what the attack itself changes of the program: a wrong clock. */
  start(program: Running, condition?: readonly Piece[]): Promise<void>
  /** Every program that is started from now on lacks these pieces. */
  without(pieces: readonly Piece[]): void
  /** Somebody steps on a scale; gives the weight, which is no other's unless it is named. */
  weigh(box: WayBox, weight?: number): number
  /** The reading of this weight as `readings list` tells it, once it is there. */
  arrived(box: WayBox, weight: number): Promise<ReadingLine>
  /** A weighing at either gateway arrives, is accepted, and bears no flag. */
  honest(): Promise<void>
  /** Weights that honest scales have shown so far. */
  weights: ReadonlySet<number>
  /** Places, as `epoch seq`, that an attacker himself noted as forgotten on a disk. */
  written: Set<string>
  /** The last flag up to now. */
  mark(): number
  /** What `flags list` says was raised since. */
  flagsSince(mark: number): Promise<FlagLine[]>
  /** Everything that `readings list` knows. */
  readings(): Promise<ReadingLine[]>
  status(box: WayBox): Promise<Status>
  close(): Promise<void>
}

/** The device that every gateway of a scene has. */
export const scaleDevice = {
  id: 'scale',
  driver: 'and-line',
  station: 'bench',
  options: { mode: 'on-print' },
} as const

const listens = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })

/** Writes into a device's end of its line, each character a byte. */
export function print(plug: Plug, text: string): void {
  const file = openSync(plug.device, 'w')
  writeSync(file, Buffer.from(text, 'latin1'))
  closeSync(file)
}

/** Starts the programs and provisions the gateways. */
export async function openScene(broker: 'embedded' | 'mosquitto', config = ''): Promise<Scene> {
  const site = await openWay({ broker, boxes: ['first', 'second'], config })
  try {
    return await furnish(site, broker)
  } catch (error) {
    await site.close()
    throw error
  }
}

async function furnish(site: WaySite, broker: 'embedded' | 'mosquitto'): Promise<Scene> {
  const [first, second] = site.boxes as [WayBox, WayBox]
  const plugs = new Map<WayBox, Plug>()
  // the second scale has a line of its own name, the device is called the same at either box
  plugs.set(first, await addDevice(site, first, scaleDevice))
  plugs.set(
    second,
    await addDevice({ ...site, plug: name => site.plug(`second-${name}`) }, second, scaleDevice),
  )
  const plain = buildWithout(site.folder, [])
  const written = new Set<string>()
  const others: Program[] = []
  const weights = new Set<number>()
  let pieces: readonly Piece[] = []
  let built = plain
  const boxes = { first, second }

  const programOf = (name: Running): Program =>
    name === 'receiver' ? site.receiverProgram : boxes[name].daemon

  /** Fails at once where the program ended by itself: the test build may not even start. */
  const alive = (name: Running): true => {
    const [crash] = programOf(name).crashes()
    if (crash !== undefined) throw new Error(crash)
    return true
  }

  const ready = async (name: Running): Promise<void> => {
    if (name !== 'receiver') {
      const box = boxes[name]
      await until(`${name} answering`, patienceMs, () => alive(name) && answers(box))
      const isOpen = async () => (await box.status()).devices.every(one => one.state === 'open')
      await until(`${name}'s scale open`, patienceMs, isOpen)
    } else if (broker === 'embedded') {
      await until('the broker listening', patienceMs, () => alive(name) && listens(site.brokerPort))
    }
  }

  const start = async (name: Running, condition: readonly Piece[] = []): Promise<void> => {
    const built = buildWithout(site.folder, [...pieces, ...condition])
    const log = join(site.folder, `${name}.log`)
    const config = join(site.folder, 'vitalgate.toml')
    const program =
      name === 'receiver'
        ? built.start('vitalgate-receiver', ['--state', site.receiver, 'run'], log)
        : built.start('vitalgate', ['--state', boxes[name].state, '--config', config, 'run'], log)
    others.push(program)
    if (name === 'receiver') site.receiverProgram = program
    else boxes[name].daemon = program
    await ready(name)
  }

  const stop = async (name: Running): Promise<void> => void (await programOf(name).end('SIGTERM'))

  const receiver = (...words: string[]) =>
    plain.type('vitalgate-receiver', '--state', site.receiver, '--json', ...words)

  const scene: Scene = {
    site,
    first,
    second,
    scale: plugs.get(first)!,
    get build() {
      return built
    },
    weights,
    written,
    start,
    stop,
    async restart(name, between) {
      await stop(name)
      await between?.()
      await start(name)
    },
    without(given) {
      pieces = given
      built = buildWithout(site.folder, pieces)
    },
    weigh(box, weight = 20 + (weights.size + 1) / 10_000) {
      weights.add(weight)
      print(plugs.get(box)!, `ST,GS,+${weight.toFixed(4).padStart(9, '0')}kg\r\n`)
      return weight
    },
    async arrived({ gateway }, weight) {
      const has = (line: ReadingLine): boolean => weightOf(line) === weight
      const filter = { gateway, limit: 20, verdict: 'all' } as const
      await until(`${weight} kg`, patienceMs, () => listReadings(site.store, filter).some(has))
      const told = await receiver(
        'readings',
        'list',
        '--gateway',
        gateway,
        '--verdict',
        'all',
        '--limit',
        '20',
      )
      return linesOf<ReadingLine>(told).find(has)!
    },
    async honest() {
      const weighed = [first, second].map(box => ({ box, weight: scene.weigh(box) }))
      const lines = await Promise.all(weighed.map(({ box, weight }) => scene.arrived(box, weight)))
      for (const { verdict, flags, gateway } of lines) {
        if (verdict === 'accept' && flags.length === 0) continue
        throw new Error(`an honest reading of ${gateway} is ${verdict} ${flags.join(' ')}`)
      }
    },
    mark: () => listFlags(site.store, { limit: 1 })[0]?.id ?? 0,
    flagsSince: async mark =>
      linesOf<FlagLine>(await receiver('flags', 'list', '--limit', '1000')).filter(({ id }) => id > mark),
    readings: async () =>
      linesOf<ReadingLine>(await receiver('readings', 'list', '--verdict', 'all', '--limit', '100000')),
    status: async ({ state }) => {
      const told = await plain.type('vitalgate', '--state', state, '--json', 'status')
      return linesOf<Status>(told)[0]!
    },
    async close() {
      for (const program of others.toReversed()) await program.end('SIGKILL')
      await site.close()
    },
  }
  return scene
}

/** The weight of a reading, kg. */
export const weightOf = ({ values }: ReadingLine): number | undefined =>
  values['body-weight'] === undefined ? undefined : Number(JSON.stringify(values['body-weight'].value))

/** Names of flags, each once, in order of the alphabet. */
export const namesOf = (flags: readonly FlagLine[]): string =>
  [...new Set(flags.map(({ flag }) => flag))].sort().join(' ')

/**
 * What became of a forged reading, as the command line tells it: the flags that were raised since, and the
 * verdict with which the reading is there, if it is.
 */
export async function outcomeOf(scene: Scene, mark: number, { gateway, epoch, seq }: At): Promise<string> {
  const isIt = (one: At): boolean => one.gateway === gateway && one.epoch === epoch && one.seq === seq
  const { store } = scene.site
  await until(`an outcome at ${seq} of ${epoch}`, patienceMs, () => {
    const there = listReadings(store, { gateway, limit: 20, verdict: 'all' }).some(isIt)
    return there || scene.mark() > mark
  })
  const [flags, readings] = await Promise.all([scene.flagsSince(mark), scene.readings()])
  const verdict = readings.find(isIt)?.verdict ?? 'no reading'
  return flags.length === 0 ? verdict : `${namesOf(flags)}, ${verdict}`
}
