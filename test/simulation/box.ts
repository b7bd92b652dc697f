import { type Bytes, hex } from '../../src/base/bytes.ts'
import { makeLog } from '../../src/base/log.ts'
import { type Acts, openCommands } from '../../src/daemon/commands.ts'
import { type Custody, openCustody } from '../../src/daemon/custody.ts'
import { type Uplink, uplink } from '../../src/uplink/uplink.ts'
import type { Draft } from '../../src/wire/chained.ts'
import { boxKey, signingKey, verifyKey } from '../../src/wire/keys.ts'
import type { Event } from '../history/history.ts'
import { cuff, type Holder, morning, pressure, server } from '../receiver/fixture.ts'
import type { Random } from '../way/random.ts'
import { Disk } from './disk.ts'
import { type Owner, schedule } from './schedule.ts'
import { commandKey } from './server.ts'
import type { ThreadPort } from './threads.ts'

/** One start of a box's program: it dies as a whole. */
interface Process extends Owner {
  port?: ThreadPort
}

/** What a box is made of. */
export interface BoxParts {
  /** Unlike any other, also where two boxes are one gateway. */
  name: string
  path: string
  gateway: string
  /** Secrets of its signing and box keys, and the version of the binding that names them. */
  seed: Bytes
  boxSecret: Bytes
  binding: number
  random: Random
  certificate: string
  write(actor: string, event: Event): void
  /** Its process is gone: somebody may start it again. */
  died(box: Box): void
}

/** How long a receipted row is kept at least, milliseconds. */
export const graceMs = 80_000
// above twice the minute in which hellos may cross: of two that take turns at less, none is ever late (WIRE 7.4)
const heartbeatMs = 130_000
const silent = makeLog('silent')
const quota = { quotaBytes: 64 * 1024 * 1024, intakeBytes: 48 * 1024 * 1024 }

/** The real way of a gateway, from the draft of a reading to its receipt, as one process that may die at any step. */
export class Box {
  readonly parts: BoxParts
  process: Process | undefined
  private custody: Custody | undefined
  private way: Uplink | undefined
  private boot = ''
  private booted = 0
  /** How far its wall clock is off, milliseconds. */
  clockOff = 0
  /** Drafts that were asked for and not answered. */
  asked = 0
  readonly disk: Disk

  constructor(parts: BoxParts, disk = new Disk(parts)) {
    this.parts = parts
    this.disk = disk
    this.newBoot()
  }

  get gateway(): string {
    return this.parts.gateway
  }

  /** Whoever holds its keys: the server binds him. */
  get holder(): Holder {
    const { gateway, seed, boxSecret } = this.parts
    return { id: gateway, key: signingKey(seed), box: boxKey(boxSecret) }
  }

  newBoot(): void {
    this.boot = hex(Uint8Array.from({ length: 16 }, () => this.parts.random.between(0, 255)))
    this.booted = schedule().now
  }

  /** Starts its program, as systemd does. */
  start(): void {
    if (this.process !== undefined) return
    const mine: Process = { name: this.parts.name, alive: true }
    this.process = mine
    schedule().after(300, () => this.open(), mine)
  }

  private moment = (): Draft['time'] => {
    const mono = Math.floor(schedule().now - this.booted)
    const wall = Math.max(0, morning + Math.floor(schedule().now) + this.clockOff)
    return { wall, source: 'ntp', uncertainty: 20, boot: this.boot, mono }
  }

  private async open(): Promise<void> {
    const { path, gateway, seed, binding, name, certificate } = this.parts
    const mine = this.process!
    const opening = openCustody({
      ...{ path, ...quota, graceMs, gateway, seed, server: server.id },
      ...{ serverBox: server.box.publicKey, software: '0.1.0' },
    })
    mine.port!.settled = () => this.disk.observe()
    mine.port!.killed = () => this.die()
    void opening.then(
      async custody => {
        void custody.ended.then(() => mine.alive && this.die())
        this.custody = custody
        const { box } = this.holder
        const moments = { at: this.moment, stop: () => undefined }
        const commands = openCommands({
          ...{ custody, take: draft => this.take(draft), acts: this.acts(), moments, log: silent },
          parties: () => ({
            ...{ gateway, server: server.id, box, commandKey: verifyKey(commandKey.publicKey) },
            ...{ entryUntil: Number.MAX_SAFE_INTEGER, book: { operators: new Map(), behind: false } },
          }),
          clock: { now: () => this.moment().wall, mono: () => this.moment().mono },
          after: (ms, act) => schedule().after(ms, act, mine),
          broken: () => this.die(),
        })
        const address = {
          broker: 'mqtts://broker:8883',
          clientId: gateway,
          ca: [],
          pins: [],
          certificate,
          key: name,
        }
        const nothing = (): void => undefined
        this.way = uplink({
          ...{ custodian: custody, gateway, server: server.id, box, heartbeatMs, window: 24 },
          way: () => ({ addresses: [address], receiptKey: verifyKey(server.receipt.publicKey) }),
          facts: () => ({
            ...{ boot: this.boot, software: '0.1.0', drivers: '0'.repeat(64), clock: this.moment() },
            versions: { binding, serverEntry: 1, devices: 1, revocations: 0 },
          }),
          events: {
            ...{ state: nothing, welcomed: nothing, settled: nothing, updated: nothing, refused: nothing },
            ...{ unpinned: nothing, commanded: commands.take, broken: () => this.die() },
          },
        })
        await commands.start()
        this.way.start()
      },
      () => mine.alive && this.die(),
    )
  }

  /** The only verb that is sent: it is seen when it is carried out. */
  private acts(): Acts {
    const { name, gateway, write } = this.parts
    const act = async (intent: string) => {
      write(name, { op: 'obeyed', gateway, intent })
      return { outcome: 'done', detail: {} } as const
    }
    return { ping: { act } } as unknown as Acts
  }

  private async take(draft: Draft) {
    const place = await this.custody!.take(draft)
    this.way?.wake()
    return place
  }

  /** A device prints this; undefined where nobody listens. Resolves true when it was told that it is taken. */
  print(value: string): Promise<boolean> | undefined {
    if (this.custody === undefined || this.process?.alive !== true) return undefined
    const { name, gateway, write } = this.parts
    write(name, { op: 'produced', device: `${name}-cuff`, value })
    const { attribution: _, ...unscanned } = pressure
    const said = {
      ...unscanned,
      device: cuff.device,
      station: cuff.station,
      raw: value,
      notes: ['unattributed'],
    }
    this.asked++
    const draft = { type: 'reading', time: this.moment(), members: said } as unknown as Draft
    return new Promise(resolve => {
      // it is the program that answers, or its death
      schedule().after(
        0,
        () =>
          this.take(draft).then(
            ({ epoch, seq }) => {
              this.asked--
              write(name, { op: 'taken', gateway, epoch, seq, value })
              resolve(true)
            },
            () => {
              this.asked--
              resolve(false)
            },
          ),
        this.process,
      )
    })
  }

  /** The program asks custody for another size of the outbox: what is used now, or the usual. */
  resize(full: boolean): void {
    const db = this.disk.db()
    if (this.custody === undefined || db === undefined) return
    const pages = db.pragma('page_count', { simple: true }) as number
    const room = full ? { ...quota, quotaBytes: pages * 4096 } : quota
    schedule().after(0, () => this.custody?.resize(room).catch(() => undefined), this.process)
  }

  /** Dies as it is: what is committed stays, and nothing else. */
  die(): void {
    if (this.process === undefined) return
    this.process.alive = false
    this.disk.close()
    this.process = undefined
    this.custody = undefined
    this.way = undefined
    this.asked = 0
    this.parts.died(this)
  }

  /** Nothing that was planned against it happens any more. */
  spare(): void {
    const port = this.process?.port
    if (port !== undefined) Object.assign(port, { answersLeft: Number.POSITIVE_INFINITY, diskMs: 4 })
    this.clockOff = 0
  }

  /** A box with a copy of this one's disk; both must be off. */
  copyTo(parts: BoxParts): Box {
    return new Box(parts, this.disk.copyTo(parts))
  }
}
