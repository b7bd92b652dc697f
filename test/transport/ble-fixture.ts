import { hex, unhex } from '../../src/base/bytes.ts'
import { Fault } from '../../src/base/fault.ts'
import { blePort } from '../../src/transport/ble.ts'
import type { LocalTime } from '../../src/transport/ble-clock.ts'
import type { BleSettings } from '../../src/transport/ble-session.ts'
import type { PortEvents } from '../../src/transport/port.ts'
import type { Characteristic, Peer, Radio, RadioFacts } from '../../src/transport/radio.ts'

export const address = 'D0:5F:B8:00:00:01'

/** 15 January 2026, 08:30:15.500 UTC, a Thursday. */
export const began = Date.UTC(2026, 0, 15, 8, 30, 15, 500)

/** A site that is one hour ahead of UTC. */
export function localTime(ms: number): LocalTime {
  const date = new Date(ms + 3_600_000)
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    weekday: date.getUTCDay() === 0 ? 7 : date.getUTCDay(),
  }
}

const settled = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await new Promise(resolve => setImmediate(resolve))
}

/** Time that goes on only when told to. */
export function handTime() {
  let mono = 0
  let timers: { at: number; act: () => void }[] = []
  return {
    clock: { now: () => began + mono, mono: () => mono },
    after(ms: number, act: () => void) {
      const timer = { at: mono + ms, act }
      timers.push(timer)
      return () => {
        timers = timers.filter(one => one !== timer)
      }
    },
    /** Lets so many milliseconds go by, timer by timer. */
    async pass(ms: number): Promise<void> {
      const until = mono + ms
      await settled()
      for (;;) {
        const [next] = timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)
        if (next === undefined) break
        timers = timers.filter(one => one !== next)
        mono = Math.max(mono, next.at)
        next.act()
        await settled()
      }
      mono = until
      await settled()
    },
    waiting: () => timers.length,
  }
}

/** What a device offers: characteristics by UUID, with the value that a read answers. */
export type Offer = Record<string, { flags: readonly string[]; value?: string; refuses?: true }>

/** A device for tests of the port alone: it does what it is told, and notes what was asked of it. */
export function handDevice(offer: Offer, bonded: boolean) {
  let end = (): void => {}
  const asked: string[] = []
  const ears = new Map<string, ((value: string) => void)[]>()
  const refuse = (what: string): never => {
    throw new Fault('ble.refused', what)
  }
  let linked = false
  const device = {
    asked,
    offer: { ...offer },
    bonded,
    /** Hears what is written; may say something. */
    wrote: (_uuid: string, _value: string): void => {},
    linked: () => linked,
    say: (uuid: string, value: string): void => {
      for (const ear of ears.get(uuid) ?? []) ear(value)
    },
    leave: (): void => end(),
    /** A new link. */
    peer(mono: () => number): Peer {
      ears.clear()
      linked = true
      const ended = new Promise<void>(resolve => {
        end = () => {
          linked = false
          resolve()
        }
      })
      const need = (what: string): void => {
        asked.push(what)
        if (!linked) throw new Fault('ble.lost', `${what}: the device ended the link`)
      }
      return {
        address,
        name: undefined,
        bonded: device.bonded,
        ended,
        async characteristics() {
          need('list')
          return Object.entries(device.offer).map(
            ([uuid, { flags }]): Characteristic => ({ uuid, service: '1810', flags }),
          )
        },
        async read(uuid) {
          need(`read ${uuid}`)
          const { value, refuses } = device.offer[uuid]!
          return refuses || value === undefined ? refuse(uuid) : unhex(value)
        },
        async write(uuid, bytes) {
          need(`write ${uuid} ${hex(bytes)}`)
          if (device.offer[uuid]!.refuses) refuse(uuid)
          device.wrote(uuid, hex(bytes))
        },
        async subscribe(uuid, heard) {
          need(`subscribe ${uuid}`)
          if (device.offer[uuid]!.refuses) refuse(uuid)
          ears.set(uuid, [...(ears.get(uuid) ?? []), value => heard(unhex(value), mono())])
        },
      }
    },
  }
  return device
}

export type HandDevice = ReturnType<typeof handDevice>

/** A port on a radio that has one device, and what the port told. */
export function portBench(settings: BleSettings, offer: Offer, bonded = true) {
  const time = handTime()
  const device = handDevice(offer, bonded)
  const told: string[] = []
  const watchers = new Set<Parameters<Radio['watch']>[0]>()
  const facts: RadioFacts = { state: 'scanning', sessions: 0, rebuilds: 0 }
  /** Why the next sessions fail before there is a link. */
  const failures: Fault[] = []
  const radio: Pick<Radio, 'facts' | 'watch' | 'session'> = {
    facts: () => facts,
    watch(seen) {
      watchers.add(seen)
      return () => watchers.delete(seen)
    },
    async session(_address, work, signal) {
      facts.sessions++
      const failure = failures.shift()
      if (failure !== undefined) throw failure
      const called = new Promise<never>((_, reject) =>
        signal.addEventListener('abort', () => {
          device.leave()
          reject(new Fault('interrupted', 'the session was called off'))
        }),
      )
      try {
        return await Promise.race([work(device.peer(time.clock.mono)), called])
      } finally {
        device.leave()
      }
    },
  }
  const events: PortEvents = {
    chunk: (bytes, mono, char) => told.push(`${char} ${hex(bytes)} at ${mono}`),
    back: security => told.push(`back ${JSON.stringify(security)}`),
    rest: () => told.push('rest'),
    learned: learned => told.push(`learned ${JSON.stringify(learned)}`),
    gone: fault => told.push(`gone ${fault.code}: ${fault.message}`),
  }
  const { clock, after } = time
  const port = blePort(address, settings, radio as Radio, { clock, after, localTime })
  port.open(events)
  return {
    time,
    device,
    told,
    facts,
    failures,
    events,
    port,
    watched: () => watchers.size,
    /** The device, or another, advertises. */
    async advertise({ paired = true, of = address } = {}): Promise<void> {
      for (const seen of [...watchers]) seen({ address: of, services: [], paired })
      await time.pass(0)
    },
  }
}
