import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { base32, hex } from '../../src/base/bytes.ts'
import { check, type Violation } from '../history/check.ts'
import type { Event, Line } from '../history/history.ts'
import type { Random } from '../way/random.ts'
import { Box, type BoxParts } from './box.ts'
import { Broker, brokerIs, fairWeather } from './broker.ts'
import { chanceOf } from './chance.ts'
import { databases } from './database.ts'
import { type Fault, faultsOf } from './faults.ts'
import { chanceIs } from './globals.ts'
import { inflict } from './inflict.ts'
import { beginSchedule, type Schedule } from './schedule.ts'
import { printed, Server } from './server.ts'

/** How long things go wrong, how long everything may take to come right, and how often the server is backed up. */
const horizonMs = 5 * 60_000
const drainMs = 2 * 3_600_000
const backupMs = 50_000
/** Where a gateway is two, so long after the calm both have said so. */
const clonedMs = 6 * 60_000
/** What is answered so long after the calm was asked after it. */
const crossingMs = 1000

const certificate = readFileSync(new URL('../vectors/gateway.pem', import.meta.url), 'utf8')

/** What came of one world. */
export interface Run {
  seed: number
  faults: readonly Fault[]
  /** Steps of the schedule. */
  events: number
  history: Line[]
  violations: Violation[]
}

/** A world: its boxes, its broker, its server, and what has happened in it. */
export interface World {
  schedule: Schedule
  server: Server
  broker: Broker
  boxes: Box[]
  random: Random
  /** Somebody says again what was said, or holds it back: what follows from that accuses nobody. */
  hostile: boolean
  /** Gateways that are two by now, and those whose keys have turned. */
  cloned: Set<string>
  turned: Set<string>
  /** Gateways that have nothing left to send since the calm. */
  drained: Set<string>
  write(actor: string, event: Event): void
  /** What every gateway has on its disk just now. */
  hold(): void
  bytes(count: number): Uint8Array<ArrayBuffer>
  boxOf(change: Partial<BoxParts> & { name: string }): BoxParts
}

/** What goes wrong, if it is not to be what the seed says: these faults, or only some sorts. */
export interface Wrong {
  faults?: readonly Fault[]
  kinds?: readonly string[]
}

/** Lives through one world of this seed. */
export async function simulate(seed: number, { faults, kinds }: Wrong = {}): Promise<Run> {
  const folder = mkdtempSync(join('/dev/shm', 'vitalgate-simulation-'))
  const world = makeWorld(seed, folder)
  const { schedule } = world
  const history: Line[] = []
  world.write = (actor, event) => void history.push({ at: schedule.now, actor, ...event })
  const planned = faults ?? faultsOf(chanceOf(seed, 'faults'), world.boxes.length, horizonMs, kinds)
  try {
    for (const box of world.boxes) {
      world.server.bind(box.holder)
      box.start()
      device(world, box)
      commands(world, box)
    }
    for (const fault of planned) schedule.always(fault.at, () => inflict(world, fault))
    backups(world)
    schedule.always(horizonMs, () => calm(world))
    await schedule.run(
      () => isOver(world),
      () => undefined,
    )
    world.hold()
  } finally {
    for (const box of world.boxes) box.die()
    world.server.close()
    databases.clear()
    rmSync(folder, { recursive: true })
  }
  return { seed, faults: planned, events: schedule.count, history, violations: check(history, { drainMs }) }
}

/** Whether a flag tells what somebody said again or held back: a command, or what a key said before it was replaced. */
const isTold = ({ turned }: World, { flag, gateway }: { flag: string; gateway: string }): boolean =>
  flag === 'COMMAND_REFUSED' || (flag === 'FORMER_KEY' && turned.has(gateway))

function makeWorld(seed: number, folder: string): World {
  const schedule = beginSchedule()
  chanceIs(chanceOf(seed, 'product'))
  const random = chanceOf(seed, 'world')
  const bytes = (count: number) => Uint8Array.from({ length: count }, () => random.between(0, 255))
  const broker = new Broker(chanceOf(seed, 'network'), message => world.server.hear({ message }))
  brokerIs(broker)
  const server = new Server(join(folder, 'receiver.db'), chanceOf(seed, 'server'), {
    write: event => {
      if (event.op === 'flag' && world.hostile && isTold(world, event)) {
        world.write('network', { op: 'attack', gateway: event.gateway, flag: event.flag })
      }
      world.write('server', event)
    },
    hand: out => broker.hand(out),
    died: () => schedule.always(random.between(500, 60_000), () => server.start()),
  })
  const world: World = {
    ...{ schedule, server, broker, boxes: [], random, hostile: false },
    ...{ cloned: new Set(), turned: new Set(), drained: new Set(), bytes },
    write: () => undefined,
    hold: () => {
      for (const gateway of new Set(world.boxes.map(box => box.gateway))) {
        const rows = world.boxes.filter(box => box.gateway === gateway).flatMap(box => box.disk.held())
        world.write('disk', { op: 'held', gateway, rows })
      }
    },
    boxOf: change => ({
      ...{ path: join(folder, `${change.name}.db`), gateway: base32(bytes(16)) },
      ...{ seed: bytes(32), boxSecret: bytes(32), binding: 1, certificate },
      random: chanceOf(seed, change.name),
      write: (actor, event) => world.write(actor, event),
      died: box => {
        world.hold()
        schedule.always(random.between(500, 20_000), () => box.start())
      },
      ...change,
    }),
  }
  const count = random.percent(85) ? 2 : 3
  for (let at = 0; at < count; at++) world.boxes.push(new Box(world.boxOf({ name: `box-${at}` })))
  return world
}

/** A device prints until the calm; what it was not told to be taken it sometimes prints again. */
function device({ schedule, random }: World, box: Box): void {
  let count = 0
  const next = (again?: string): void => {
    const value = again ?? printed(`${box.parts.name} ${++count}`)
    const listening = box.process
    let isTaken = false
    void box.print(value)?.then(taken => {
      isTaken = taken
    })
    const pause = random.percent(25) ? random.between(20, 2000) : random.between(8000, 60_000)
    if (schedule.now + pause > horizonMs) return
    const repeats = random.percent(50)
    schedule.always(pause, () => next(!isTaken && listening !== box.process && repeats ? value : undefined))
  }
  schedule.always(random.between(0, 5000), () => next())
}

/** An operator asks for something now and then. */
function commands({ schedule, random, server, bytes }: World, box: Box): void {
  const next = (): void => {
    server.command(box.gateway, hex(bytes(16)))
    const pause = random.between(20_000, 200_000)
    if (schedule.now + pause < horizonMs) schedule.always(pause, next)
  }
  schedule.always(random.between(20_000, 200_000), next)
}

function backups({ schedule, server }: World): void {
  const next = (): void => {
    server.backUp()
    if (schedule.now + backupMs < horizonMs) schedule.always(backupMs, next)
  }
  schedule.always(1000, next)
}

/** From here on nothing goes wrong any more. */
function calm(world: World): void {
  world.write('world', { op: 'calm' })
  world.broker.isUp = true
  world.broker.weather = fairWeather
  world.broker.swallows = { up: false, down: false }
  world.server.diesIn = Number.POSITIVE_INFINITY
  world.server.start()
  for (const box of world.boxes) {
    box.resize(false)
    box.spare()
    box.start()
  }
}

/** Whether all came right; written down as it is seen. */
function isOver(world: World): boolean {
  const { schedule, boxes, cloned, drained } = world
  if (schedule.now < horizonMs + crossingMs) return false
  const gateways = [...new Set(boxes.map(box => box.gateway))]
  for (const gateway of gateways) {
    if (drained.has(gateway)) continue
    // a server that was set back asks with its next answer for what it lacks
    const isAnswered = (box: Box): boolean => box.disk.answered > horizonMs + crossingMs
    const isDone = (box: Box): boolean => isAnswered(box) && box.asked === 0 && box.disk.waiting() === 0
    if (!boxes.every(box => box.gateway !== gateway || isDone(box))) continue
    drained.add(gateway)
    world.write('disk', { op: 'drained', gateway })
  }
  if (schedule.now > horizonMs + drainMs) return true
  return drained.size === gateways.length && schedule.now > horizonMs + (cloned.size > 0 ? clonedMs : 0)
}
