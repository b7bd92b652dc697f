import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { CommandFailed, until } from '../../scripts/scenario/program.ts'
import type { Status } from '../../src/control/api.ts'
import { type FlagLine, listFlags } from '../../src/receiver/flags.ts'
import { listReadings, type ReadingLine } from '../../src/receiver/readings-list.ts'
import type { Program } from '../way/program.ts'
import { addDevice, answers, openWay, type Plug, patienceMs, type WayBox, type WaySite } from '../way/site.ts'
import { type Build, buildWithout, linesOf, plainBuild, startTypist } from './build.ts'
import { weightOf } from './outcome.ts'
import { startPatientLine } from './patient.ts'
import type { Piece } from './piece.ts'
import type { Ended } from './typist.ts'

/** A program of the scene that runs on. */
export type Running = 'receiver' | 'first' | 'second'

/** Two honest gateways with a scale each, their server, and whoever attacks them. */
export interface Scene {
  site: WaySite
  first: WayBox
  second: WayBox
  /** Where the first one's scale writes to. */
  scale: Plug
  /** Where the line leads to, if nobody leads it elsewhere: to the true broker. */
  truePort: number
  /** The programs as they are. */
  plain: Build
  /** The same, or the test build that this run is about. */
  build: Build
  /** Types a command of the receiver, as it is, with `--json`. */
  type(...words: string[]): Promise<Ended>
  /** From now on outcomes are read by the command line of this build. */
  lookWith(build: Build): void
  /** Ends a program and starts it again, of the present build; `between` happens while it is down. */
  restart(program: Running, between?: () => void | Promise<void>): Promise<void>
  stop(program: Running): Promise<void>
  /** `condition` is what the attack itself changes of the program: a wrong clock. */
  start(program: Running, condition?: readonly Piece[]): Promise<void>
  /** From now on these programs lack these pieces when they are started, and so does every command that is typed. */
  without(pieces: readonly Piece[], programs: readonly Running[]): void
  /** Somebody steps on a scale; gives the weight, which is no other's unless it is named. */
  weigh(box: WayBox, weight?: number): number
  /** The reading of this weight as `readings list` tells it, once it is there. */
  arrived(box: WayBox, weight: number): Promise<ReadingLine>
  /** A weighing at either gateway after an attack: `settled` sees what becomes of it. */
  honest(after: string): Promise<void>
  /** All honest weighings up to now have arrived; an error where one is not accepted, or bears a flag. */
  settled(): Promise<void>
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
  /** What was measured, in words: shown below the table. */
  figures: string[]
  /** Words that the receiver is run with from its next start on. */
  receiverWords: string[]
  /** Programs that ended without having been asked to. */
  crashes(): string[]
  /** What else is to be closed with it. */
  closing: (() => Promise<unknown>)[]
  close(): Promise<void>
}

/** The device that every gateway of a scene has. */
export const scaleDevice = {
  id: 'scale',
  driver: 'and-line',
  station: 'bench',
  options: { mode: 'on-print' },
} as const

/** Writes into a device's end of its line, each character a byte. */
export function print(plug: Plug, text: string): void {
  const file = openSync(plug.device, 'w')
  writeSync(file, Buffer.from(text, 'latin1'))
  closeSync(file)
}

/** Starts the programs and provisions the gateways. `config`: the text of every box's vitalgate.toml. */
export async function openScene(broker: 'embedded' | 'mosquitto', config = ''): Promise<Scene> {
  const typist = startTypist()
  try {
    const plain = plainBuild(typist)
    const type: WaySite['type'] = async (name, args) => {
      const { code, out, err } = await plain.type(name, ...args)
      if (code === 0) return out
      throw new CommandFailed(`${name} ${args.join(' ')}\nended with ${code}: ${err.trim()}`)
    }
    const site = await openWay({ broker, boxes: ['first', 'second'], config, type })
    const line = await startPatientLine(site.brokerPort)
    const close = async (): Promise<void> => {
      await site.close()
      await line.close()
      await typist.close()
    }
    try {
      site.forwarder.redirect(line.port)
      return await furnish({ ...site, close }, line.port, plain)
    } catch (error) {
      await close()
      throw error
    }
  } catch (error) {
    await typist.close()
    throw error
  }
}

async function furnish(site: WaySite, truePort: number, plain: Build): Promise<Scene> {
  const [first, second] = site.boxes as [WayBox, WayBox]
  // the second scale has a line of its own name, the device is called the same at either box
  const named = { ...site, plug: (name: string) => site.plug(`second-${name}`) }
  const [scale, other] = await Promise.all([
    addDevice(site, first, scaleDevice),
    addDevice(named, second, scaleDevice),
  ])
  const written = new Set<string>()
  const receiverWords: string[] = []
  const closing: Scene['closing'] = []
  const others: Program[] = []
  const weights = new Set<number>()
  let open: { box: WayBox; weight: number; after: string }[] = []
  let pieces: readonly Piece[] = []
  let lacking: readonly Running[] = []
  let built = plain
  let looking = plain
  const boxes = { first, second }
  const receiverLog = join(site.folder, 'receiver.log')

  const programOf = (name: Running): Program =>
    name === 'receiver' ? site.receiverProgram : boxes[name].daemon

  /** Fails at once where the program ended by itself: the test build may not even start. */
  const alive = (name: Running): true => {
    const [crash] = programOf(name).crashes()
    if (crash !== undefined) throw new Error(crash)
    return true
  }

  const ready = async (name: Running, said: number): Promise<void> => {
    if (name !== 'receiver') {
      const box = boxes[name]
      await until(`${name} answering`, patienceMs, () => alive(name) && answers(box))
      const isOpen = async () => (await box.status()).devices.every(one => one.state === 'open')
      await until(`${name}'s scale open`, patienceMs, isOpen)
    } else {
      const listens = () => readFileSync(receiverLog, 'utf8').slice(said).includes('"msg":"listening"')
      await until('the receiver listening', patienceMs, () => alive(name) && listens())
    }
  }

  const start = async (name: Running, condition: readonly Piece[] = []): Promise<void> => {
    const replaced = [...(lacking.includes(name) ? pieces : []), ...condition]
    const one = replaced.length === 0 ? plain : buildWithout(site.folder, replaced)
    const log = join(site.folder, `${name}.log`)
    const said = readFileSync(receiverLog, 'utf8').length
    const config = join(site.folder, 'vitalgate.toml')
    const program =
      name === 'receiver'
        ? one.start('vitalgate-receiver', ['--state', site.receiver, 'run', ...receiverWords], log)
        : one.start('vitalgate', ['--state', boxes[name].state, '--config', config, 'run'], log)
    others.push(program)
    if (name === 'receiver') site.receiverProgram = program
    else boxes[name].daemon = program
    await ready(name, said)
  }

  const stop = async (name: Running): Promise<void> => void (await programOf(name).end('SIGTERM'))

  const typedBy = (build: Build, words: string[]): Promise<Ended> =>
    build.type('vitalgate-receiver', '--state', site.receiver, '--json', ...words)

  const weigh: Scene['weigh'] = (box, weight = 20 + (weights.size + 1) / 10_000) => {
    weights.add(weight)
    print(box === first ? scale : other, `ST,GS,+${weight.toFixed(4).padStart(9, '0')}kg\r\n`)
    return weight
  }

  /** What the store has of some weights of a gateway: enough to wait for, the command line tells the outcome. */
  const stored = ({ gateway }: WayBox, some: ReadonlySet<number>): Map<number, ReadingLine> =>
    new Map(
      listReadings(site.store, { gateway, limit: 100, verdict: 'all' })
        .filter(line => some.has(weightOf(line)!))
        .map(line => [weightOf(line)!, line]),
    )

  const settled = async (): Promise<void> => {
    for (const box of [first, second]) {
      const mine = open.filter(one => one.box === box)
      const wanted = new Set(mine.map(one => one.weight))
      await until('the honest weighings', patienceMs, () => stored(box, wanted).size === wanted.size)
      const lines = stored(box, wanted)
      for (const { weight, after } of mine) {
        const { verdict, flags } = lines.get(weight)!
        if (verdict === 'accept' && flags.length === 0) continue
        throw new Error(`an honest reading after ${after} is ${verdict} ${flags.join(' ')}`)
      }
    }
    open = []
  }

  return {
    site,
    first,
    second,
    scale,
    truePort,
    plain,
    get build() {
      return built
    },
    weights,
    written,
    figures: [],
    closing,
    receiverWords,
    type: (...words) => typedBy(plain, words),
    lookWith(build) {
      looking = build
    },
    start,
    stop,
    async restart(name, between) {
      await stop(name)
      await between?.()
      await start(name)
    },
    without(given, programs) {
      pieces = given
      lacking = programs
      built = given.length === 0 ? plain : buildWithout(site.folder, given)
    },
    weigh,
    async arrived(box, weight) {
      await until(`${weight} kg`, patienceMs, () => stored(box, new Set([weight])).size > 0)
      const words = ['readings', 'list', '--gateway', box.gateway, '--verdict', 'all', '--limit', '100']
      const told = await typedBy(looking, words)
      return linesOf<ReadingLine>(told).find(line => weightOf(line) === weight)!
    },
    async honest(after) {
      const takenOf = async (box: WayBox) =>
        (await box.status()).devices.find(one => one.id === scaleDevice.id)!.readings
      await Promise.all(
        [first, second].map(async box => {
          const before = await takenOf(box)
          open.push({ box, weight: weigh(box), after })
          await until('the weighing taken', patienceMs, async () => (await takenOf(box)) > before)
        }),
      )
      // more are not looked at at once
      if (open.length >= 40) await settled()
    },
    settled,
    mark: () => listFlags(site.store, { limit: 1 })[0]?.id ?? 0,
    flagsSince: async mark =>
      linesOf<FlagLine>(await typedBy(looking, ['flags', 'list', '--limit', '1000'])).filter(
        ({ id }) => id > mark,
      ),
    readings: async () =>
      linesOf<ReadingLine>(
        await typedBy(looking, ['readings', 'list', '--verdict', 'all', '--limit', '100000']),
      ),
    status: async ({ state }) =>
      linesOf<Status>(await plain.type('vitalgate', '--state', state, '--json', 'status'))[0]!,
    crashes: () => [...site.crashes(), ...others.flatMap(program => program.crashes())],
    async close() {
      for (const close of closing.toReversed()) await close()
      for (const program of others.toReversed()) await program.end('SIGKILL')
      await site.close()
    },
  }
}
