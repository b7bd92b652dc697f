import { type Clock, systemClock } from '../base/clock.ts'
import { Fault, isFault } from '../base/fault.ts'
import type { LocalTimeAt } from './ble-clock.ts'
import { type BleSettings, bleSession, unpaired } from './ble-session.ts'
import { type After, type Port, type PortEvents, type PortState, after as systemAfter } from './port.ts'
import type { Advert, Radio } from './radio.ts'

/** What blePort works with. */
export interface BleTools {
  clock: Clock
  after: After
  /** The site's wall clock, to which device clocks are set. */
  localTime: LocalTimeAt
  /** How long a device is left alone after a session that it did not end itself. */
  restMs: number
  /**
   * A device that was not heard for so long, and then is, has something new. BlueZ tells of a device that goes
   * on advertising once per scan: 10 s of scan, and in some releases 5 s of rest.
   */
  silentMs: number
}

const firstWaitMs = 1000
const longestWaitMs = 60_000

/**
 * A BLE device as a port: whenever it advertises, one session is held with it. Between sessions it is
 * `waiting`. After a session that failed the next one waits for an advertisement, and from 1 s to 60 s,
 * unless the device was silent meanwhile. Nothing can be written from outside: the card's steps do that.
 */
export function blePort(
  address: string,
  settings: BleSettings,
  radio: Radio,
  handed: Partial<BleTools> & Pick<BleTools, 'localTime'>,
): Port {
  const tools: BleTools = {
    clock: systemClock,
    after: systemAfter,
    restMs: 60_000,
    silentMs: 20_000,
    ...handed,
  }
  const { clock, after, localTime } = tools
  let state: PortState = 'closed'
  let events: PortEvents | undefined
  let callOff = (): void => {}
  let session: Promise<void> | undefined
  let over = new AbortController()
  let told: string | undefined
  let waitMs = firstWaitMs
  let notBefore = 0
  let lastHeard = Number.NEGATIVE_INFINITY

  const gone = (fault: Fault): void => {
    state = 'missing'
    const reason = `${fault.code} ${fault.message}`
    if (told !== reason) events?.gone(fault)
    told = reason
  }

  /** Told by one session; a session that outlives its port tells nothing. */
  const tellings = (of: AbortController) => {
    const now = (): PortEvents | undefined => (of === over ? events : undefined)
    return {
      chunk: (...said: Parameters<PortEvents['chunk']>) => now()?.chunk(...said),
      learned: (...said: Parameters<NonNullable<PortEvents['learned']>>) => now()?.learned?.(...said),
      back(...said: Parameters<PortEvents['back']>) {
        state = 'open'
        // whatever was told before, this is a new outing, and its end must be told
        told = undefined
        now()?.back(...said)
      },
    }
  }

  const hold = async (of: AbortController): Promise<void> => {
    const parts = { settings, clock, after, localTime, events: tellings(of) }
    try {
      const ending = await radio.session(address, peer => bleSession(peer, parts), of.signal)
      if (of !== over || events === undefined) return
      state = 'waiting'
      waitMs = firstWaitMs
      notBefore = ending === 'ended' ? 0 : clock.mono() + tools.restMs
      events.rest?.()
    } catch (cause) {
      if (!isFault(cause)) throw cause
      if (of !== over || events === undefined) return
      notBefore = clock.mono() + waitMs
      waitMs = Math.min(waitMs * 2, longestWaitMs)
      gone(cause)
    } finally {
      if (of === over) {
        session = undefined
        lastHeard = clock.mono()
      }
    }
  }

  const heard = (advert: Advert): void => {
    if (advert.address !== address) return
    const now = clock.mono()
    const awoke = now - lastHeard >= tools.silentMs
    lastHeard = now
    if (session !== undefined || (now < notBefore && !awoke)) return
    if (settings.bond && !advert.paired) gone(unpaired(address))
    else session = hold(over)
  }

  return {
    name: `ble://${address}`,
    state() {
      const { state: radioState } = radio.facts()
      const deaf = radioState === 'absent' || radioState === 'off'
      return state === 'waiting' && deaf ? 'missing' : state
    },
    open(listener) {
      events = listener
      state = 'waiting'
      over = new AbortController()
      callOff = radio.watch(heard)
    },
    async write() {
      throw new Fault('port.refused', `only the steps of its driver write to ble://${address}`)
    },
    async close() {
      callOff()
      events = undefined
      state = 'closed'
      const ending = session
      session = undefined
      over.abort()
      await ending
    },
  }
}
