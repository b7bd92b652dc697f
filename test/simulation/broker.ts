import type { Bytes } from '../../src/base/bytes.ts'
import { Fault } from '../../src/base/fault.ts'
import type { Outgoing } from '../../src/receiver/receipts.ts'
import type { Message } from '../../src/receiver/verify.ts'
import type { ConnectionEvents } from '../../src/uplink/connection.ts'
import type { Random } from '../way/random.ts'
import { type Owner, schedule } from './schedule.ts'

/** What the network does to messages for a while; shares in percent. */
export interface Weather {
  lost: number
  twice: number
  /** Delayed by up to `delayMs`: those that were said later come first. */
  late: number
  delayMs: number
  /** The broker takes what is published, and never says so. */
  mute: number
}

export const fairWeather: Weather = { lost: 0, twice: 0, late: 0, delayMs: 0, mute: 0 }

/** A message that came by, as whoever owns the broker sees it. */
export type Seen = { up: Message } | { down: Outgoing }

/** A line between a gateway and the broker. */
export class Line {
  readonly box: string
  readonly topic: string
  readonly events: ConnectionEvents
  readonly owner: Owner
  isOpen = true

  constructor(box: string, topic: string, events: ConnectionEvents) {
    this.box = box
    this.topic = topic
    this.events = events
    this.owner = schedule().owner
  }
}

/** Milliseconds that a message is on its way in fair weather. */
const wayMs = 20
/** Of all that was said, so much is remembered by whoever listens. */
const seenLimit = 400

/** A broker that is as bad as the faults make it: it knows topics, and nothing of what is said. */
export class Broker {
  isUp = true
  weather: Weather = fairWeather
  /** It acknowledges and forgets: up, down, or both. */
  swallows: { up: boolean; down: boolean } = { up: false, down: false }
  /** Puts something else in the place of what goes down; undefined leaves it. */
  tamper: ((out: Outgoing) => Outgoing | undefined) | undefined
  readonly seen: Seen[] = []
  readonly lines = new Set<Line>()
  private readonly random: Random
  private readonly server: (message: Message) => void

  constructor(random: Random, server: (message: Message) => void) {
    this.random = random
    this.server = server
  }

  connect(line: Line): void {
    this.lines.add(line)
    schedule().after(wayMs, () => {
      if (!line.isOpen) return
      if (this.isUp) line.events.open([])
      else this.cut(line)
    })
  }

  /** The line breaks; whoever is at its end is told. */
  cut(line: Line): void {
    if (!line.isOpen) return
    line.isOpen = false
    this.lines.delete(line)
    const why = new Fault('server.unreachable', 'the line broke')
    schedule().after(wayMs, () => line.events.closed(why), line.owner)
  }

  /** The broker goes away, and all lines with it. */
  fall(): void {
    this.isUp = false
    for (const line of [...this.lines]) this.cut(line)
  }

  /** A gateway publishes; resolves when the broker says that it took it, which may be never. */
  publish(line: Line, message: Message): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    if (!line.isOpen) return Promise.reject(new Fault('server.unreachable', 'the line is closed'))
    const owner = schedule().owner
    schedule().always(wayMs, () => {
      if (!line.isOpen) {
        schedule().after(0, () => reject(new Fault('server.unreachable', 'the line broke')), owner)
        return
      }
      const { mute, lost } = this.weather
      if (!this.random.percent(mute)) schedule().after(wayMs, resolve, owner)
      this.remember({ up: message })
      if (this.swallows.up || this.random.percent(lost)) return
      this.carry(() => this.server(message))
    })
    return promise
  }

  /** The server publishes. */
  hand(said: Outgoing): void {
    const out = this.tamper?.(said) ?? said
    this.remember({ down: out })
    if (!this.isUp || this.swallows.down || this.random.percent(this.weather.lost)) return
    this.carry(() => this.deliver(out))
  }

  /** Whoever listens on the topic just now gets it. */
  deliver({ topic, payload }: Outgoing): void {
    for (const line of this.lines) {
      if (!line.isOpen || line.topic !== topic) continue
      schedule().after(1, () => line.isOpen && line.events.message(Uint8Array.from(payload)), line.owner)
    }
  }

  private carry(bring: () => void): void {
    const { twice, late, delayMs } = this.weather
    const way = (): number => wayMs + (this.random.percent(late) ? this.random.next() * delayMs : 0)
    schedule().always(way(), bring)
    if (this.random.percent(twice)) schedule().always(way(), bring)
  }

  private remember(seen: Seen): void {
    this.seen.push(seen)
    if (this.seen.length > seenLimit) this.seen.shift()
  }
}

let present: Broker | undefined

/** The broker of the world that is simulated just now. */
export const broker = (): Broker => present!
export const brokerIs = (one: Broker): void => {
  present = one
}

/** Bytes that nothing else will change. */
export const copyOf = (bytes: Uint8Array): Bytes => Uint8Array.from(bytes)
