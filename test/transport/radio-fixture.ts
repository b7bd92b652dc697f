import { afterAll, afterEach, beforeAll } from '@jest/globals'
import { hex } from '../../src/base/bytes.ts'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import { isFault } from '../../src/base/fault.ts'
import { bluezRadio, type RadioTools } from '../../src/transport/bluez-radio.ts'
import { type After, after } from '../../src/transport/port.ts'
import type { Advert, Peer, Radio, RadioFacts } from '../../src/transport/radio.ts'
import { type Bluez, type BluezSettings, type DeviceSettings, openBluez } from '../fakes/bluez.ts'
import { type Client, openClient } from '../fakes/bluez-client.ts'
import { type Bus, openBus } from '../fakes/bus.ts'

/** How much faster than in the field all waits are. */
export const pace = 10

export const fastClock: Clock = { now: systemClock.now, mono: () => performance.now() * pace }
export const fastAfter: After = (ms, act) => after(ms / pace, act)

/** A bus, BlueZ on it and a radio, ended after the test. */
export interface Scene {
  readonly bus: Bus
  readonly bluez: Bluez
  readonly radio: Radio
  /** Another program on the bus. */
  another(): Client
}

/** A cuff as A&D makes them: what it says comes once its measurement characteristic is subscribed to. */
export const cuff = {
  address: 'D0:5F:B8:00:00:01',
  name: 'A&D_UA-651BLE_000001',
  services: {
    '1810': {
      '2a35': { flags: ['indicate'] },
      '2a49': { flags: ['read'], value: '0000' },
      '2a08': { flags: ['read', 'write'], value: 'e007010c0a1e00' },
    },
  },
  paired: true,
} as const satisfies DeviceSettings

/** So many measurements, each another. */
export const stored = (count: number, from = 0) =>
  Array.from({ length: count }, (_, at) => ({
    char: '2a35',
    value: (from + at).toString(16).padStart(4, '0'),
  }))

export const textsOf = (steps: readonly { value: string }[]): string[] => steps.map(({ value }) => value)

/** Subscribes to measurements and listens until the device ends the link. */
export const listening =
  (got: string[]) =>
  async (peer: Peer): Promise<void> => {
    await peer
      .subscribe('2a35', bytes => void got.push(hex(bytes)))
      .catch((cause: unknown) => {
        // a device may say all it has and go before the answer to the subscription comes
        if (!isFault(cause, 'ble.lost')) throw cause
      })
    await peer.ended
  }

/** The bus of a test file; `scene` makes the rest anew for each test. */
export function scenes(): (settings?: BluezSettings, tools?: Partial<RadioTools>) => Promise<Scene> {
  let bus: Bus
  const ends: (() => Promise<void>)[] = []
  beforeAll(async () => {
    bus = await openBus()
    process.env.DBUS_SYSTEM_BUS_ADDRESS = bus.address
  })
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })
  afterAll(async () => bus.close())
  return async (settings = {}, tools = {}) => {
    const bluez = await openBluez(bus, settings)
    ends.push(() => bluez.close())
    const radio = bluezRadio({ clock: fastClock, after: fastAfter, random: () => 0, ...tools })
    ends.push(() => radio.close())
    const another = (): Client => {
      const client = openClient(bus)
      ends.push(async () => client.close())
      return client
    }
    return { bus, bluez, radio, another }
  }
}

const turn = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 5))

/** Waits until something holds; jest's own limit ends it. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await turn()
}

/** Waits until the radio stands as asked, and gives how it stands. */
export async function standing(radio: Radio, holds: (facts: RadioFacts) => boolean): Promise<RadioFacts> {
  await until(() => holds(radio.facts()))
  return radio.facts()
}

/** The next advertisement of a device. */
export const nextAdvert = (radio: Radio, address: string): Promise<Advert> =>
  new Promise(resolve => {
    const callOff = radio.watch(advert => {
      if (advert.address !== address) return
      callOff()
      resolve(advert)
    })
  })

export const never = (): AbortSignal => new AbortController().signal
