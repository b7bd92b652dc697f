import type { Random } from '../way/random.ts'
import { kinds, type Packet, pubackFor } from './packets.ts'
import type { Trouble } from './trouble.ts'

/** One direction of one connection. */
export interface Lane {
  take(packet: Packet): void
  /** The next PUBLISH is passed on in part only, and then `cut` is called: once. */
  cutInside(cut: () => void): void
  stop(): void
}

/** What a lane needs of the connection that it is part of. */
export interface LaneParts {
  way: 'up' | 'down'
  trouble(): Trouble
  random: Random
  /** Passes bytes on; `then` when they have left. */
  write(bytes: Buffer, then?: () => void): void
  /** Answers the sender. */
  answer(bytes: Buffer): void
  tell(what: string): void
}

/** What is held leaves when nothing has come for so long. */
const quietMs = 40

/** Carries packets on, as well as its trouble lets it. */
export function lane({ way, trouble, random, write, answer, tell }: LaneParts): Lane {
  const held: Buffer[] = []
  const timers = new Set<NodeJS.Timeout>()
  let quiet: NodeJS.Timeout | undefined
  let cut: (() => void) | undefined
  /** Behind half a packet nothing else may come: it would be taken for the rest. */
  let over = false

  const pass = (bytes: Buffer): void => {
    if (!over) write(bytes)
  }

  const release = (): void => {
    // any of them, in the last one's place
    const [one] = held.splice(random.between(0, held.length - 1), 1)
    pass(one!)
  }

  const hold = (bytes: Buffer, window: number): void => {
    if (window <= 1 && held.length === 0) {
      pass(bytes)
      return
    }
    held.push(bytes)
    while (held.length > window) release()
    clearTimeout(quiet)
    quiet = setTimeout(() => {
      while (held.length > 0) release()
    }, quietMs)
  }

  const later = (bytes: Buffer, ms: number): void => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      pass(bytes)
    }, ms)
    timers.add(timer)
  }

  const publish = ({ bytes, id }: Packet): void => {
    const { drop, lie, duplicate, window, delay, delayMs, forgets } = trouble()
    if (cut !== undefined && !over) {
      tell('cut inside a packet')
      write(bytes.subarray(0, random.between(1, bytes.length - 1)), cut)
      over = true
      return
    }
    const isForgotten = forgets && way === 'up'
    if (isForgotten || random.percent(drop)) {
      const lies = id !== 0 && (isForgotten || random.percent(lie))
      tell(lies ? 'acknowledged and forgotten' : 'dropped')
      if (lies) answer(pubackFor(id))
      return
    }
    if (random.percent(delay)) {
      tell('delayed')
      later(bytes, random.between(0, delayMs))
      return
    }
    if (random.percent(duplicate)) {
      tell('doubled')
      hold(bytes, window)
    }
    hold(bytes, window)
  }

  return {
    take(packet) {
      const isAnswer = packet.kind === kinds.puback && way === 'down'
      if (packet.kind === kinds.publish) publish(packet)
      else if (isAnswer && random.percent(trouble().swallow)) tell('PUBACK swallowed')
      else pass(packet.bytes)
    },
    cutInside(then) {
      cut = then
    },
    stop() {
      clearTimeout(quiet)
      for (const timer of timers) clearTimeout(timer)
    },
  }
}
