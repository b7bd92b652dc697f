import Real from 'better-sqlite3'
import { hex } from '../../src/base/bytes.ts'
import { topics } from '../../src/wire/topics.ts'
import { server as keys } from '../receiver/fixture.ts'
import * as attacker from './attacker.ts'
import { type Box, graceMs } from './box.ts'
import { fairWeather } from './broker.ts'
import type { Fault, FaultKind } from './faults.ts'
import type { World } from './run.ts'
import { type Arrival, printed } from './server.ts'

/** A backup is set back while what was forgotten since is in it: what is younger is on the boxes (DESIGN 7a.4). */
const restorableMs = graceMs - 10_000

type Way = (world: World, fault: Fault, box: Box) => void

const hear =
  (make: (world: World, fault: Fault, box: Box) => Arrival | undefined): Way =>
  (world, fault, box) => {
    const arrival = make(world, fault, box)
    if (arrival !== undefined) world.server.hear(arrival)
  }

/** Something that nobody printed and nobody committed. */
const invented = ({ at, much }: Fault): string => printed(`nobody ${at} ${much}`)

/** The newest row on the box's disk. */
function newest(box: Box): { epoch: string; seq: number; head: string } | undefined {
  const row = box.disk
    .db()
    ?.prepare<[], { epoch: string; seq: number; head: Uint8Array }>(
      'SELECT epoch.epoch, row.seq, row.head FROM row JOIN epoch ON epoch.id = row.epoch ORDER BY row.id DESC LIMIT 1',
    )
    .get()
  return row && { ...row, head: hex(row.head) }
}

const gatewaysOf = ({ boxes }: World): string[] => [...new Set(boxes.map(box => box.gateway))]

const ways: Record<FaultKind, Way> = {
  weather(world, { ms, much }) {
    world.hostile = true
    world.broker.weather = {
      ...{ lost: much % 40, twice: (much >> 3) % 40, late: (much >> 6) % 60 },
      ...{ delayMs: (much % 7) * (much % 11) * 1000, mute: (much >> 9) % 3 === 0 ? 50 : 0 },
    }
    world.schedule.always(ms, () => {
      world.broker.weather = fairWeather
    })
  },
  cut({ broker }, _, box) {
    for (const line of [...broker.lines]) if (line.box === box.parts.name) broker.cut(line)
  },
  'broker-down'({ broker, schedule }, { ms }) {
    broker.fall()
    schedule.always(ms, () => {
      broker.isUp = true
    })
  },
  'swallow-up'({ broker, schedule }, { ms }) {
    broker.swallows.up = true
    schedule.always(ms, () => {
      broker.swallows.up = false
    })
  },
  'swallow-down'({ broker, schedule }, { ms }) {
    broker.swallows.down = true
    schedule.always(ms, () => {
      broker.swallows.down = false
    })
  },
  crash: (_world, _fault, box) => box.die(),
  'crash-after-commit'(_world, { much }, box) {
    const port = box.process?.port
    if (port !== undefined) port.answersLeft = much % 3
  },
  'power-cut'(_world, _fault, box) {
    box.die()
    box.newBoot()
  },
  'slow-disk'({ schedule }, { ms }, box) {
    const port = box.process?.port
    if (port === undefined) return
    port.diskMs = 3000
    schedule.always(ms, () => {
      port.diskMs = 4
    })
  },
  'disk-full'({ schedule }, { ms }, box) {
    box.resize(true)
    schedule.always(ms, () => box.resize(false))
  },
  corrupt(world, { much }, box) {
    box.die()
    const db = new Real(box.parts.path)
    const rows = db.prepare<[], number>("SELECT id FROM row WHERE state = 'queued'").pluck().all()
    const id = rows[much % Math.max(1, rows.length)]
    if (id !== undefined) {
      const read = db.prepare<[number], Buffer>('SELECT envelope FROM row WHERE id = ?').pluck()
      const envelope = Buffer.from(read.get(id)!)
      envelope[much % envelope.length]! ^= 1
      db.prepare('UPDATE row SET envelope = ? WHERE id = ?').run(envelope, id)
      world.write('world', { op: 'fault', what: 'corrupted', detail: { gateway: box.gateway } })
    }
    db.close()
  },
  'clock-jump'(_world, { much }, box) {
    box.clockOff = [-25 * 31_536_000_000, -3_600_000, 3_600_000, 10 * 31_536_000_000, 0][much % 5]!
  },
  rotate(world, _fault, box) {
    if (world.cloned.has(box.gateway)) return
    world.turned.add(box.gateway)
    box.die()
    Object.assign(box.parts, { seed: world.bytes(32), boxSecret: world.bytes(32) })
    box.parts.binding = world.server.bind(box.holder)
  },
  clone(world, { much }, box) {
    if (world.cloned.has(box.gateway) || world.turned.has(box.gateway)) return
    world.cloned.add(box.gateway)
    // what is said to one of the two, the other hears as well
    world.hostile = true
    box.die()
    const { gateway, seed, boxSecret, binding, name } = box.parts
    const parts = world.boxOf({ name: `${name}-copy`, gateway, seed, boxSecret, binding })
    const copy = box.copyTo(parts)
    world.boxes.push(copy)
    world.write('world', { op: 'attack', gateway, flag: 'CLONE_SUSPECT' })
    copy.start()
    // it measures as well
    for (let at = 0; at < 5; at++) {
      world.schedule.always(60_000 * (at + 1), () => void copy.print(printed(`${name}-copy ${at} ${much}`)))
    }
  },
  'server-crash': ({ server }) => server.crash(),
  'server-crash-after-commit'({ server }, { much }) {
    server.diesIn = much % 4
  },
  restore({ server, schedule }) {
    if (server.backedUp !== undefined && schedule.now - server.backedUp < restorableMs) server.restore()
  },
  replay(world, { much }) {
    world.hostile = true
    for (let at = 0; at <= much % 12; at++)
      attacker.replay(world.broker, world.random, one => world.server.hear(one))
  },
  swap: hear(world => attacker.swapped(world.broker, world.random, gatewaysOf(world))),
  damage: hear(world => attacker.damaged(world.broker, world.random)),
  'forge-reading': hear((_world, fault, box) => attacker.forgedReading(box.holder, invented(fault))),
  'forge-signature': hear((_world, fault, box) => attacker.forgedSignature(box.holder, invented(fault))),
  forward: hear((_world, fault, box) => attacker.forwarded(box.holder, invented(fault))),
  'forge-receipt'({ broker }, _fault, box) {
    const place = newest(box)
    if (place !== undefined) broker.deliver(attacker.forgedReceipt(box.holder, place))
  },
  'foreign-head'({ broker }, _fault, box) {
    const place = newest(box)
    if (place !== undefined) broker.deliver(attacker.foreignHead(box.holder, place))
  },
  readdress(world, _fault, box) {
    const others = world.boxes.filter(one => one.gateway !== box.gateway).map(one => one.holder)
    const out = attacker.readdressed(box.holder, others, world.broker)
    if (out !== undefined) world.broker.deliver(out)
  },
  'old-token'({ broker }, _fault, box) {
    const { down } = topics(keys.id, box.gateway)
    broker.tamper = out => {
      if (out.topic !== down) return undefined
      const told = attacker.withOldToken(out, box.holder)
      if (told !== undefined) broker.tamper = undefined
      return told
    }
  },
}

/** Lets this go wrong. */
export function inflict(world: World, fault: Fault): void {
  const box = world.boxes[fault.box]!
  world.write('world', { op: 'fault', what: fault.kind, detail: { box: box.parts.name } })
  ways[fault.kind](world, fault, box)
  world.hold()
}
