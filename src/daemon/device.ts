import type { Bytes } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { codeOf, type Fault, type FaultCode } from '../base/fault.ts'
import type { Said, Told } from '../driver/driver.ts'
import { counting, type Outcome, openSession, type Session } from '../driver/session.ts'
import type { Setup } from '../driver/setup.ts'
import type { After, DeviceFacts, LinkSecurity, Port } from '../transport/port.ts'
import type { Brake } from './brake.ts'

/** Where a device stands, for people. */
export type DeviceStanding = 'open' | 'waiting' | 'gone' | 'refused'

/** What a technician wants to know of a device. Times in milliseconds since 1970. */
export interface DeviceStatus {
  state: DeviceStanding
  faults: number
  lastFault?: { code: string; message: string; at: number }
  facts?: DeviceFacts
  recording?: true
}

/** A frame that came in, and over what link. */
export interface Came {
  frame: Bytes
  /** Steady time, milliseconds. */
  mono: number
  char?: string
  security?: LinkSecurity
  /** Serial number of the adapter, where the port is named by it. */
  serial?: string
  /** How far the device's clock was ahead of ours when its session began. */
  clockOffMs?: number
}

/** Looks at a device without disturbing it: a test, a recording. */
export interface Tap {
  chunk?(way: 'in' | 'out', bytes: Bytes, mono: number, char?: string): void
  outcomes?(outcomes: Outcome[], mono: number): void
  state?(state: DeviceStanding, mono: number): void
  /** Whether values are kept by whoever looks: then people are told. */
  records?: true
}

/** A device that is being listened to. */
export interface Device {
  status(): DeviceStatus
  /** Sends what the card has for this, if anything: a beep, a light. Whether it did. */
  tell(told: Told): boolean
  /** Looks on until called off. */
  tap(tap: Tap): () => void
  stop(): Promise<void>
}

/** What one device needs: the driver with its options, the port, and who listens. */
export interface DeviceParts {
  setup: Setup
  port: Port
  clock: Clock
  after: After
  /** Something counts. Never throws. */
  said(said: Said, came: Came): void
  /** A BLE device believes that this value has arrived, and it was not understood. Never throws. */
  lost?(came: Came, fault: FaultCode): void
  /** While it is on, a line that can wait is not read. */
  brake?: Pick<Brake, 'isOn' | 'listen'>
  /** A bug of a driver, after what came was put in safety. */
  broken(error: unknown): void
}

/** How many measurements of a device that keeps them are remembered, to know one that is sent again. */
const rememberedLimit = 256

/** Knows a measurement that a device with memory hands over once more: what it confirmed was lost on the way. */
function again(): (said: Said) => boolean {
  const known = new Set<string>()
  return said => {
    if ('scanned' in said || said.deviceTime === undefined) return false
    const key = JSON.stringify(said)
    const before = known.delete(key)
    known.add(key)
    if (known.size > rememberedLimit) known.delete(known.values().next().value!)
    return before
  }
}

/** Bytes that are understood before the brake is looked at again: at most so many readings more than its limit. */
const sliceBytes = 512

/**
 * Whether a device loses nothing where its line is left alone for a while: not one whose silence ends a frame, and not
 * one that is asked and has to answer in time.
 */
const canWait = ({ link, voice }: Setup): boolean =>
  !('ble' in link) && !('silenceMs' in link.frame) && voice.talk === undefined

/** Opens the port and listens until stopped; each time the line is back, the session begins anew. */
export function listen(parts: DeviceParts): Device {
  const { setup, port, clock, after, said, lost, broken } = parts
  const overBle = 'ble' in setup.link
  const brake = canWait(setup) && port.pause !== undefined ? parts.brake : undefined
  const known = 'ble' in setup.link && setup.link.ble.stores ? again() : () => false
  // a weighing begins anew with its line, a finger does not
  const counts = setup.settle !== undefined && 'goodMs' in setup.settle ? counting(setup) : undefined
  const taps = new Set<Tap>()
  let session: Session | undefined
  let callOff: () => void = () => {}
  let gone: Fault | undefined
  let faults = 0
  let lastFault: DeviceStatus['lastFault']
  let facts: DeviceFacts = {}
  let security: LinkSecurity | undefined
  let adapter: string | undefined
  /** Bytes that were read and are not understood yet, because the brake is on; with the time at which they came. */
  let held: { bytes: Bytes; mono: number }[] = []
  let pausedAt: number | undefined
  /** How long the line was left alone in all. A session knows nothing of it: that was no silence of the device. */
  let leftMs = 0

  /** The time of sessions. */
  const time = (mono = clock.mono()): number => mono - leftMs

  const fault = (code: string, message: string): void => {
    faults++
    lastFault = { code, message, at: clock.now() }
  }

  const standing = (): DeviceStanding => {
    if (gone?.code === 'port.refused' || gone?.code === 'ble.unpaired') return 'refused'
    const state = port.state()
    if (state === 'open' || state === 'refused') return state
    return state === 'missing' ? 'gone' : 'waiting'
  }

  const tellState = (): void => {
    for (const tap of taps) tap.state?.(standing(), clock.mono())
  }

  const came = (frame: Bytes, mono: number, char: string | undefined): Came => ({
    frame,
    mono,
    ...(char !== undefined && { char }),
    ...(security !== undefined && { security }),
    ...(adapter !== undefined && { serial: adapter }),
    ...(facts.clockOffMs !== undefined && { clockOffMs: facts.clockOffMs }),
  })

  const take = (outcomes: Outcome[], mono: number): void => {
    for (const { frame, char, heard, said: counts } of outcomes) {
      if ('fault' in heard) {
        fault(heard.fault, heard.why)
        if (overBle) lost?.(came(frame, mono, char), heard.fault)
      }
      if (counts !== undefined && !known(counts)) said(counts, came(frame, mono, char))
    }
    for (const tap of taps) tap.outcomes?.(outcomes, mono)
    for (const bytes of session?.sends() ?? []) send(bytes)
    callOff()
    callOff = () => {}
    const due = pausedAt === undefined ? session?.due() : undefined
    if (due === undefined) return
    callOff = after(Math.max(0, due - time()), () => {
      if (session !== undefined) take(session.rest(time()), clock.mono())
    })
  }

  /** Understands what was read, `all` of it or until the brake is on; then the line is left alone. */
  const pass = (all = false): void => {
    while (session !== undefined && held.length > 0 && (all || brake?.isOn() !== true)) {
      const { bytes, mono } = held.shift()!
      if (bytes.length > sliceBytes) held.unshift({ bytes: bytes.slice(sliceBytes), mono })
      take(session.hear(bytes.subarray(0, sliceBytes), time(mono)), mono)
    }
    if (held.length > 0 && pausedAt === undefined) {
      pausedAt = clock.mono()
      port.pause?.(true)
      callOff()
    } else if (held.length === 0 && pausedAt !== undefined) {
      leftMs += clock.mono() - pausedAt
      pausedAt = undefined
      take([], clock.mono())
      port.pause?.(false)
    }
  }
  const hush = brake?.listen(pass) ?? (() => {})

  /** Understands a value that its device will not send again: a bug must not cost it. */
  const safely = (bytes: Bytes, mono: number, char: string | undefined): void => {
    try {
      take(session!.hear(bytes, mono, char), mono)
    } catch (error) {
      lost?.(came(bytes, mono, char), 'driver.invalid')
      broken(error)
    }
  }

  const send = (bytes: Bytes): void => {
    for (const tap of taps) tap.chunk?.('out', bytes, clock.mono())
    // a line that is gone is told by the port itself; the session begins anew when it is back
    port
      .write(bytes)
      .catch((why: unknown) => fault(codeOf(why) ?? 'port.gone', `could not write to ${port.name}`))
  }

  const end = (): void => {
    // the line is gone, and what it brought before counts
    pass(true)
    const ended = session?.end(time()) ?? []
    session = undefined
    take(ended, clock.mono())
  }

  port.open({
    chunk(bytes, mono, char) {
      for (const tap of taps) tap.chunk?.('in', bytes, mono, char)
      if (session === undefined) return
      if (overBle) safely(bytes, mono, char)
      else if (brake === undefined) take(session.hear(bytes, mono), mono)
      else {
        held.push({ bytes, mono })
        pass()
      }
    },
    back(protection, serial) {
      gone = undefined
      security = protection
      adapter = serial
      // what a session does not tell again is still known, but for the clock: it was set meanwhile
      const { clockOffMs: _, ...others } = facts
      facts = others
      session = openSession(setup, time(), counts)
      take([], clock.mono())
      tellState()
    },
    rest() {
      end()
      tellState()
    },
    learned(learned) {
      facts = { ...facts, ...learned }
    },
    gone(why) {
      gone = why
      end()
      fault(why.code, why.message)
      tellState()
    },
  })

  return {
    status: () => ({
      state: standing(),
      faults,
      ...(lastFault !== undefined && { lastFault }),
      ...(Object.keys(facts).length > 0 && { facts }),
      ...([...taps].some(tap => tap.records) && { recording: true as const }),
    }),
    tell(told) {
      const text = setup.feedback[told]
      if (text === undefined || session === undefined) return false
      send(Uint8Array.from(Buffer.from(text, 'latin1')))
      return true
    },
    tap(tap) {
      taps.add(tap)
      tap.state?.(standing(), clock.mono())
      return () => taps.delete(tap)
    },
    async stop() {
      hush()
      // bytes that were read are this gateway's: the device does not have them any more
      pass(true)
      callOff()
      held = []
      await port.close()
    },
  }
}
