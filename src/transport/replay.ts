import { type Clock, systemClock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import type { Capture } from './capture.ts'
import { type After, type Port, type PortEvents, type PortState, after as systemAfter } from './port.ts'

/** How a capture is played. */
export interface ReplayTools {
  /** 1 is the recorded pace, 2 twice as fast, Infinity as fast as possible. */
  speed: number
  /** Whether it begins anew when it ends. */
  loop: boolean
  clock: Clock
  after: After
}

/** Rest between two rounds of a loop at recorded pace, so that the last frame of one round stands alone. */
const loopRestMs = 2000

/**
 * A port that plays what a capture's device sent; what is written to it goes nowhere. When the capture
 * has ended the port is gone.
 */
export function replayPort(name: string, capture: Capture, handed: Partial<ReplayTools> = {}): Port {
  const tools: ReplayTools = { speed: 1, loop: false, clock: systemClock, after: systemAfter, ...handed }
  const chunks = capture.lines.filter(line => line.way === 'in')
  let state: PortState = 'closed'
  let events: PortEvents | undefined
  let callOff = (): void => {}

  const finish = (): void => {
    if (tools.loop && chunks.length > 0) {
      callOff = tools.after(loopRestMs / tools.speed, () => step(0, tools.clock.mono()))
      return
    }
    state = 'missing'
    events?.gone(new Fault('port.gone', `capture has ended: ${name}`))
  }

  /** Plays from the chunk at `index`; the round began at `started`, so a late timer does not add up. */
  const step = (index: number, started: number): void => {
    if (events === undefined) return
    const chunk = chunks[index]
    if (chunk === undefined) {
      finish()
      return
    }
    const wait = started + chunk.t / tools.speed - tools.clock.mono()
    callOff = tools.after(Math.max(0, wait), () => {
      events?.chunk(chunk.bytes.slice(), tools.clock.mono(), chunk.char)
      step(index + 1, started)
    })
  }

  return {
    name,
    state: () => state,
    open(listener) {
      events = listener
      state = 'open'
      listener.back()
      step(0, tools.clock.mono())
    },
    async write() {
      if (state !== 'open') throw new Fault('port.gone', `capture has ended: ${name}`)
    },
    async close() {
      callOff()
      events = undefined
      state = 'closed'
    },
  }
}
