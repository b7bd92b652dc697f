import { EventEmitter, once } from 'node:events'
import { Variant } from 'dbus-next'
import type { Adapter, Heard } from './bluez-adapter.ts'
import type { Agents } from './bluez-agents.ts'
import { openConnecting } from './bluez-connect.ts'
import {
  type Device,
  type DeviceEvent,
  type DeviceSettings,
  noFaults,
  type Standing,
} from './bluez-device.ts'
import { longUuid, openGatt, type Written } from './bluez-gatt.ts'
import { openPairing } from './bluez-pairing.ts'
import { openStory, stepsOf } from './bluez-story.ts'
import { type Face, refusal } from './bluez-tree.ts'
import type { World } from './bluez-world.ts'

/** The device, and how BlueZ sees it. */
export interface Link {
  device: Device
  heard: Heard
  /** bluetoothd started: it knows the devices that it bonded with or trusts. */
  start(): void
  /** bluetoothd ended, and with it every link. */
  stop(): void
  left(client: string): void
}

const iface = 'org.bluez.Device1'

/** Device1 of BlueZ for one simulated device. */
export function openLink(world: World, adapter: Adapter, agents: Agents, settings: DeviceSettings): Link {
  const { address, name, manufacturer, free = false, ends = 'disconnects' } = settings
  const path = `${adapter.path}/dev_${address.replaceAll(':', '_')}`
  const advertised = (settings.advertised ?? Object.keys(settings.services).slice(0, 1)).map(longUuid)
  const events = new EventEmitter()
  const written: Written[] = []
  const faults = noFaults()
  const now: Standing = {
    onAir: false,
    rssi: undefined,
    paired: settings.paired ?? false,
    trusted: false,
    connected: false,
    resolved: false,
    links: 0,
  }
  let stopResolving = (): void => {}
  let stopForgetting = (): void => {}

  const known = (): boolean => world.tree()?.has(path) ?? false
  const changed = (...names: string[]): void => world.tree()?.changed(path, iface, ...names)
  const pause = (ms: number): Promise<void> => new Promise(resolve => world.after(ms, resolve))
  const emit = (event: DeviceEvent): void => void events.emit(event)

  const gatt = openGatt(world, settings.services, now, {
    path,
    free,
    wrote(one) {
      written.push(one)
      emit('written')
      story.wrote(one.char)
    },
    subscribed() {
      emit('subscribed')
      story.poke()
    },
  })
  const story = openStory(world, gatt, {
    get ready() {
      return now.connected && now.resolved && (now.paired || free)
    },
    waitsFor: settings.waitsFor,
    sent(inSession) {
      const drop = faults.dropAfter === inSession
      const again = drop && faults.unconfirmed
      if (drop) {
        faults.dropAfter = undefined
        faults.unconfirmed = false
      }
      return { again, drop }
    },
    drop: () => down(),
    told() {
      emit('told')
      if (ends === 'stays') return
      now.onAir = false
      down()
    },
  })

  const forget = (): void => {
    stopForgetting()
    world.tree()?.take(path)
    gatt.clear()
    now.rssi = undefined
  }
  const forgetLater = (): void => {
    stopForgetting()
    if (world.pace.temporaryMs === 0) return
    stopForgetting = world.after(world.pace.temporaryMs, () => {
      if (!now.paired && !now.trusted && !now.connected) forget()
    })
  }

  const resolve = (): void => {
    gatt.put(faults.lateMs)
    now.resolved = true
    changed('UUIDs', 'ServicesResolved')
    emit('resolved')
    story.poke()
  }
  const up = (): void => {
    now.connected = true
    now.links++
    stopForgetting()
    if (faults.lateMs > 0) gatt.take()
    changed('Connected')
    emit('connected')
    if (!faults.neverResolves) stopResolving = world.after(world.pace.resolveMs, resolve)
  }
  const down = (): void => {
    if (!now.connected) return
    now.connected = false
    stopResolving()
    story.stop()
    if (now.resolved) {
      now.resolved = false
      changed('ServicesResolved')
    }
    changed('Connected')
    pairing.dropped()
    forgetLater()
    emit('disconnected')
  }

  const connecting = openConnecting(world, adapter, now, faults, {
    vanish() {
      now.onAir = false
      forget()
    },
    up,
  })
  const pairing = openPairing(agents, settings, now, world.counts, {
    path,
    async reach() {
      if (!adapter.powered) throw refusal('NotReady', 'Resource Not Ready')
      if (now.connected) return
      await pause(now.onAir ? world.pace.connectMs : world.pace.absentMs)
      if (!now.onAir) throw refusal('ConnectionAttemptFailed', 'Page Timeout')
      up()
    },
    drop: () => down(),
    bonded() {
      now.paired = true
      faults.forgotten = false
      changed('Paired', 'Bonded')
      emit('paired')
      story.poke()
    },
    later: act => void world.after(1, act),
  })

  const face: Face = {
    properties: () => ({
      Adapter: new Variant('o', adapter.path),
      Address: new Variant('s', address),
      AddressType: new Variant('s', 'public'),
      Name: name === undefined ? undefined : new Variant('s', name),
      Alias: new Variant('s', name ?? address.replaceAll(':', '-')),
      Paired: new Variant('b', now.paired),
      Bonded: new Variant('b', now.paired),
      Trusted: new Variant('b', now.trusted),
      Blocked: new Variant('b', false),
      Connected: new Variant('b', now.connected),
      ServicesResolved: new Variant('b', now.resolved),
      UUIDs: new Variant('as', now.resolved ? [...gatt.uuids] : advertised),
      RSSI: now.rssi === undefined ? undefined : new Variant('n', now.rssi),
      ManufacturerData:
        manufacturer &&
        new Variant('a{qv}', {
          [manufacturer.company]: new Variant('ay', Buffer.from(manufacturer.data, 'hex')),
        }),
    }),
    set: {
      Trusted(next: boolean) {
        now.trusted = next
        changed('Trusted')
      },
    },
    methods: {
      Connect: connecting.connect,
      Disconnect: {
        async run(): Promise<undefined> {
          if (connecting.callOff()) return
          if (!now.connected) throw refusal('NotConnected', 'Not Connected')
          await pause(1)
          down()
        },
      },
      Pair: pairing.pair,
      CancelPairing: pairing.cancel,
    },
  }
  const put = (): void => world.tree()?.put(path, { [iface]: face })

  const heard: Heard = {
    address,
    path,
    heard() {
      if (!now.onAir || now.connected) return
      // never twice the same, so that BlueZ has something to tell each time
      now.rssi = now.rssi === -60 ? -61 : -60
      if (known()) changed('RSSI')
      else put()
      forgetLater()
    },
    advertises: uuids => uuids.length === 0 || uuids.some(uuid => advertised.includes(longUuid(uuid))),
    unheard() {
      if (now.rssi === undefined) return
      now.rssi = undefined
      changed('RSSI')
      if (world.pace.temporaryMs === 0 && !now.paired && !now.trusted && !now.connected) forget()
    },
    cut() {
      connecting.callOff()
      down()
    },
    removed() {
      now.paired = false
      now.trusted = false
      connecting.callOff()
      down()
      forget()
    },
  }

  const device: Device = {
    address,
    path,
    faults,
    get connected() {
      return now.connected
    },
    get paired() {
      return now.paired
    },
    get trusted() {
      return now.trusted
    },
    get known() {
      return known()
    },
    get links() {
      return now.links
    },
    written,
    get stored() {
      return story.left
    },
    advertise(on) {
      now.onAir = on
    },
    store: (...steps) => story.store(steps),
    play: lines => story.store(stepsOf(lines, gatt)),
    set: gatt.set,
    say: value => now.connected && gatt.came(value),
    disconnect: down,
    next: async event => void (await once(events, event)),
  }

  return {
    device,
    heard,
    start() {
      if ((now.paired || now.trusted) && !known()) put()
    },
    stop() {
      const cut = now.connected
      now.connected = false
      now.resolved = false
      connecting.stop()
      pairing.stop()
      story.stop()
      gatt.clear()
      now.rssi = undefined
      if (cut) emit('disconnected')
    },
    left(client) {
      gatt.left(client)
      pairing.left(client)
    },
  }
}
