import type NodeBle from 'node-ble'
import type { Clock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import type { Adapter } from './bluez-adapter.ts'
import { loud } from './bluez-bus.ts'
import { shortUuid } from './bluez-devices.ts'
import type { Characteristic, Peer } from './radio.ts'

/** How long a device may take until its services are known; a first connection reads all of them. */
const resolveMs = 30_000
/** Listing asks BlueZ several things about each characteristic. */
const listMs = 20_000
/** Longest value that ATT can carry, bytes. */
const longestValue = 512

type Listed = Characteristic & { node: NodeBle.GattCharacteristic }

/** A device that is connected now, over node-ble's objects, which are new for every session. */
export function bluezPeer(adapter: Adapter, device: NodeBle.Device, address: string, clock: Clock): Peer {
  const { bus, devices } = adapter
  const known = devices.at(address)
  const subscribed = new Map<string, NodeBle.GattCharacteristic>()
  let listed: Listed[] = []
  let down = false

  const ended = new Promise<void>(resolve => {
    const end = (): void => {
      down = true
      hush()
      resolve()
    }
    const look = (): void => {
      if (devices.at(address)?.connected !== true) end()
    }
    const hush = devices.changed(look)
    bus.whenLost(end)
    look()
  })

  /** One step of the session, ended by its answer, by time, or with the link. */
  const step = async <T>(act: () => Promise<T>, what: string, ms?: number): Promise<T> => {
    const lost = (): Fault => bus.lost() ?? new Fault('ble.lost', `${what}: the device ended the link`)
    if (down) throw lost()
    const tooLate = ended.then(async () => {
      // an answer that came just before the end is still on its way through node-ble
      await new Promise(resolve => setImmediate(resolve))
      throw lost()
    })
    const [result] = await Promise.race([
      bus.bounded(act(), what, ms).then(value => [value] as const),
      tooLate,
    ])
    return result
  }

  const list = async (): Promise<Listed[]> => {
    const server = await device.gatt()
    const found: Listed[] = []
    for (const serviceUuid of await server.services()) {
      const service = await server.getPrimaryService(serviceUuid)
      for (const uuid of await service.characteristics()) {
        const node = await service.getCharacteristic(uuid)
        const flags = await node.getFlags()
        found.push({ uuid: shortUuid(uuid), service: shortUuid(serviceUuid), flags, node })
      }
    }
    return found
  }

  const characteristics = async (): Promise<readonly Characteristic[]> => {
    const what = `services of ${address}`
    const resolved = (): Promise<boolean> =>
      adapter.until(address, now => now?.servicesResolved === true || now?.connected !== true, resolveMs)
    // node-ble itself would wait for them without limit
    if (!(await step(resolved, what, resolveMs * 2))) {
      throw new Fault('ble.lost', `${what}: not known in time`, { hint: 'try again near the device' })
    }
    listed = await step(list, what, listMs)
    return listed.map(({ uuid, service, flags }) => ({ uuid, service, flags }))
  }

  const find = async (uuid: string): Promise<Listed> => {
    if (listed.length === 0) await characteristics()
    const found = listed.find(one => one.uuid === uuid)
    if (found === undefined) throw new Fault('ble.refused', `${address} has no characteristic ${uuid}`)
    return found
  }

  return {
    address,
    name: known?.name,
    bonded: known?.paired === true,
    ended,
    characteristics,
    async read(uuid) {
      const { node } = await find(uuid)
      const value = await step(() => node.readValue(), `read ${uuid} of ${address}`)
      return Uint8Array.from(value.subarray(0, longestValue))
    },
    async write(uuid, bytes) {
      const { node, flags } = await find(uuid)
      const value = Buffer.from(bytes)
      const blind = !flags.includes('write') && flags.includes('write-without-response')
      const act = () => (blind ? node.writeValueWithoutResponse(value) : node.writeValueWithResponse(value))
      await step(act, `write ${uuid} of ${address}`)
    },
    async subscribe(uuid, heard) {
      const already = subscribed.get(uuid)
      const node = already ?? (await find(uuid)).node
      node.on('valuechanged', value => {
        if (!down) loud(() => heard(Uint8Array.from(value.subarray(0, longestValue)), clock.mono()))
      })
      // asked twice, node-ble would tell every value twice
      if (already !== undefined) return
      await step(() => node.startNotifications(), `subscribe ${uuid} of ${address}`)
      subscribed.set(uuid, node)
    },
  }
}
