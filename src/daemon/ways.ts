import type { Clock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import { parseAddress } from '../base/portname.ts'
import type { Link } from '../driver/driver.ts'
import { blePort } from '../transport/ble.ts'
import type { After, Port } from '../transport/port.ts'
import type { Advert, Radio, RadioFacts } from '../transport/radio.ts'
import { serialPort } from '../transport/serial.ts'
import { tcpPort } from '../transport/tcp.ts'
import { fits } from './fits.ts'
import { wallOf } from './wall.ts'

/** What the ways to the devices need. */
export interface WaysParts {
  clock: Clock
  after: After
  /** IANA name of the site's time zone: device clocks are set to it. */
  timezone: string
  /** Makes the one owner of the Bluetooth adapter, once somebody needs it. */
  makeRadio(): Radio
}

/** Opens the way to a device, by the name of its port. */
export interface Ways {
  port(name: string, link: Link): Port
  radio(): Radio
  /** How Bluetooth stands; undefined while nobody needed it. */
  bluetooth(): RadioFacts | undefined
  /** Whether a BLE device is bonded, as far as it was heard or paired since the start. */
  bonded(address: string): boolean | undefined
  close(): Promise<void>
}

/** Most devices of which the bond is remembered: a street is full of them. */
const bondLimit = 500

/** The same radio, with what it tells of bonds noted. */
function noting(radio: Radio, bonds: Map<string, boolean>): Radio {
  const note = (address: string, bonded: boolean): void => {
    bonds.delete(address)
    bonds.set(address, bonded)
    if (bonds.size > bondLimit) bonds.delete(bonds.keys().next().value!)
  }
  return {
    ...radio,
    watch: seen =>
      radio.watch((advert: Advert) => {
        note(advert.address, advert.paired)
        seen(advert)
      }),
    async pair(address, words, signal) {
      await radio.pair(address, words, signal)
      note(address, true)
    },
    async forget(address) {
      await radio.forget(address)
      note(address, false)
    },
  }
}

/** Starts without any port; the Bluetooth adapter is left alone until a device or a person needs it. */
export function openWays({ clock, after, timezone, makeRadio }: WaysParts): Ways {
  let radio: Radio | undefined
  const bonds = new Map<string, boolean>()
  const theRadio = (): Radio => {
    if (radio === undefined) {
      radio = noting(makeRadio(), bonds)
      radio.open()
    }
    return radio
  }
  return {
    radio: theRadio,
    bluetooth: () => radio?.facts(),
    bonded: address => bonds.get(address),
    port(name, link) {
      const address = parseAddress(name)
      fits(address, link, `port ${name}`)
      if ('ble' in link && address.kind === 'ble') {
        return blePort(address.address, link.ble, theRadio(), { clock, after, localTime: wallOf(timezone) })
      }
      if (address.kind === 'tcp') return tcpPort(address.host, address.port, { clock, after })
      if ('serial' in link && address.kind === 'serial') {
        return serialPort(address.path, link.serial, { clock, after })
      }
      throw new Fault('config.invalid', `nothing opens ${name}`)
    },
    close: async () => radio?.close(),
  }
}
