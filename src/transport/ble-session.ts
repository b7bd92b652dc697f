import { type Bytes, hex, unhex } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { Fault, isFault } from '../base/fault.ts'
import { type ClockUuid, clockBytes, clockOff, type LocalTimeAt } from './ble-clock.ts'
import { informationOf } from './ble-information.ts'
import type { After, PortEvents } from './port.ts'
import type { Characteristic, Peer } from './radio.ts'

/** One step at the beginning of a session: what a driver's card says. Characteristics as in radio.ts. */
export type BleStep =
  | { read: string }
  | { clock: ClockUuid }
  | { hear: string; must?: true }
  | { write: string; bytes: string; answer?: string }

/** How a BLE device is reached: what a driver's card says. */
export interface BleSettings {
  service: string
  /** Whether it must be bonded before it is read. */
  bond: boolean
  stores: boolean
  begin: readonly BleStep[]
  /** The session ends so long after the last value or step, milliseconds; 5,000 if not said. */
  quietMs?: number
}

/** What one session works with. */
export interface SessionParts {
  settings: BleSettings
  clock: Clock
  after: After
  localTime: LocalTimeAt
  /** Tells what the port tells; nothing after the port is closed. */
  events: Pick<PortEvents, 'chunk' | 'back'> & { learned: NonNullable<PortEvents['learned']> }
}

/** How a session ended: the device went, as it should; or nothing more came; or it went on for too long. */
export type Ending = 'ended' | 'quiet' | 'endless'

/** Before the first access: A&D devices fail without it right after the link came up. */
const settleMs = 700
const answerMs = 10_000
/** A device that streams is left after so long, so that others get their turn; less than the radio's own limit. */
const endlessMs = 75_000

const uuidOf = (step: BleStep): string =>
  'read' in step ? step.read : 'clock' in step ? step.clock : 'hear' in step ? step.hear : step.write

/**
 * One session with a connected device: what it is, its clock, what it sends, until it goes or is quiet. Fault
 * `ble.unpaired`, `ble.refused` or `ble.lost`. Values that came before a fault were told.
 */
export async function bleSession(peer: Peer, parts: SessionParts): Promise<Ending> {
  const { settings, clock, after, localTime, events } = parts
  const { address } = peer
  const quietMs = settings.quietMs ?? 5000
  const begun = clock.mono()
  let linked = true
  let lively = begun
  let values = 0
  const gone = peer.ended.then(() => {
    linked = false
  })

  /** Waits so long, or until the link is down or something else is there. */
  const wait = async (ms: number, other: Promise<unknown> = gone): Promise<void> => {
    let callOff = (): void => {}
    const over = new Promise<void>(resolve => {
      callOff = after(ms, resolve)
    })
    await Promise.race([over, gone, other]).finally(() => callOff())
  }

  /** Something that may be refused without harm: whether it was done. */
  const tried = async (act: () => Promise<void>): Promise<boolean> => {
    try {
      await act()
      return true
    } catch (cause) {
      if (isFault(cause, 'ble.refused') && linked) return false
      throw cause
    }
  }

  const told = (uuid: string) => (bytes: Bytes, mono: number) => {
    values++
    lively = mono
    events.chunk(bytes, mono, uuid)
  }

  const compare = (bytes: Uint8Array): void => {
    const clockOffMs = clockOff(bytes, clock.now(), localTime)
    if (clockOffMs !== undefined) events.learned({ clockOffMs })
  }

  const setClock = (uuid: ClockUuid): Promise<boolean> =>
    tried(() => peer.write(uuid, clockBytes(uuid, clock.now(), localTime)))

  /** Steps that go on beside the others; what they end with is seen when the session ends. */
  const beside: Promise<unknown>[] = []

  const timeStep = async ({ flags, uuid }: Characteristic): Promise<void> => {
    const which = uuid as ClockUuid
    if (!flags.includes('read') && (flags.includes('notify') || flags.includes('indicate'))) {
      // Omron tells its time when it wants ours
      let asked = false
      await tried(() =>
        peer.subscribe(which, (bytes, mono) => {
          lively = mono
          if (asked) return
          asked = true
          compare(bytes)
          const set = setClock(which)
          set.catch(() => {}) // seen at the end
          beside.push(set)
        }),
      )
      return
    }
    await setClock(which)
  }

  const hearStep = async (uuid: string, must: boolean): Promise<void> => {
    const subscribe = (): Promise<void> => peer.subscribe(uuid, told(uuid))
    if (must) await subscribe()
    else await tried(subscribe)
  }

  const writeStep = async (uuid: string, bytes: string, answer: string | undefined): Promise<void> => {
    if (answer === undefined) {
      await peer.write(uuid, unhex(bytes))
      return
    }
    let answered = false
    let tell = (): void => {}
    const came = new Promise<void>(resolve => {
      tell = resolve
    })
    await peer.subscribe(uuid, (value, mono) => {
      lively = mono
      // another answer than the one that is waited for: the driver may know why
      if (!hex(value).startsWith(answer.toLowerCase())) {
        told(uuid)(value, mono)
        return
      }
      answered = true
      tell()
    })
    await peer.write(uuid, unhex(bytes))
    lively = clock.mono()
    // a device that hands over its memory first answers afterwards: what it sends meanwhile is life
    while (linked && !answered && clock.mono() - lively < answerMs) {
      await wait(answerMs - (clock.mono() - lively), came)
    }
    if (!answered) throw new Fault('ble.lost', `${address} did not answer what was written to ${uuid}`)
  }

  const take = async (step: BleStep, found: Characteristic): Promise<void> => {
    if ('hear' in step) await hearStep(step.hear, step.must === true)
    else if ('clock' in step) await timeStep(found)
    else if ('write' in step) await writeStep(step.write, step.bytes, step.answer)
    else {
      await tried(async () => {
        const value = await peer.read(step.read)
        told(step.read)(value, clock.mono())
      })
    }
    lively = clock.mono()
  }

  /** Looks at the device's clocks before anything is heard: how old a value is, is told by the clock it had. */
  const compareClocks = async (there: readonly Characteristic[]): Promise<void> => {
    for (const step of settings.begin) {
      if (!('clock' in step)) continue
      const found = there.find(({ uuid, flags }) => uuid === step.clock && flags.includes('read'))
      if (found !== undefined) await tried(async () => compare(await peer.read(found.uuid)))
    }
  }

  const steps = async (there: readonly Characteristic[]): Promise<void> => {
    for (const step of settings.begin) {
      const uuid = uuidOf(step)
      const found = there.find(one => one.uuid === uuid)
      if (found !== undefined) await take(step, found)
      else if ('hear' in step && step.must) {
        throw new Fault('ble.refused', `${address} has no characteristic ${uuid}`, {
          hint: 'is it the device that this driver is for?',
        })
      }
    }
  }

  if (settings.bond && !peer.bonded) throw unpaired(address)
  let there = await peer.characteristics()
  await wait(settleMs)
  // BlueZ issue 1489: some are shown shortly after the services are said to be known
  if (settings.begin.some(step => there.every(({ uuid }) => uuid !== uuidOf(step)))) {
    there = await peer.characteristics()
  }
  const information = await informationOf(peer, there, tried)
  if (Object.keys(information).length > 0) events.learned(information)
  events.back({ bonded: peer.bonded, encrypted: peer.bonded })
  lively = clock.mono()
  try {
    await compareClocks(there)
    await steps(there)
    for (;;) {
      const now = clock.mono()
      if (!linked) break
      if (now - begun >= endlessMs) return 'endless'
      if (now - lively >= quietMs) break
      await wait(Math.min(lively + quietMs, begun + endlessMs) - now)
    }
    await Promise.all(beside)
  } catch (cause) {
    // A device that sent what it had and went is done, whatever was still to be asked of it.
    if (!isFault(cause) || linked || values === 0) throw cause
  }
  return linked ? 'quiet' : 'ended'
}

/** The device is not bonded with this gateway. */
export const unpaired = (address: string): Fault =>
  new Fault('ble.unpaired', `${address} is not paired with this gateway`, {
    hint: 'put the device into pairing mode and pair it: vitalgate device add',
  })
