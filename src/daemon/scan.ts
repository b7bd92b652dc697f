import { isFault } from '../base/fault.ts'
import type { Handlers, ScanLine } from '../control/api.ts'
import type { Advert } from '../transport/radio.ts'
import { serialPorts, stableName } from '../transport/usb.ts'
import type { Gateway } from './gateway.ts'
import { propose } from './propose.ts'

/** How often the radio is asked whether it can hear at all. */
const lookMs = 250

/** A device is told again only when something about it became known. */
const faceOf = ({ name, services, paired }: Advert): string => JSON.stringify([name, services, paired])

/** Most devices that are told of in one scan: a street is full of them. */
const deviceLimit = 500

async function tellSerial({ parts, stations }: Gateway, send: (line: ScanLine) => void): Promise<void> {
  const ports = await serialPorts()
  for (const facts of ports) {
    const { port } = stableName(facts.path, ports)
    const known = [port, facts.path, facts.byId, facts.byPath].flatMap(name =>
      name === undefined ? [] : [stations.at(name)],
    )
    send({
      kind: 'serial',
      port,
      path: facts.path,
      usb: facts.usb ?? null,
      maker: facts.manufacturer ?? null,
      product: facts.product ?? null,
      serial: facts.serial ?? null,
      device: known.find(one => one !== undefined) ?? null,
      proposals: propose(parts.drivers, { usb: facts.usb }),
    })
  }
}

/** What is there: the serial ports at once, then what advertises nearby, for so many seconds. */
export const scanning =
  (gateway: Gateway): Handlers['scan'] =>
  async ({ seconds }, send, end) => {
    const { parts, stations, ways } = gateway
    const { after, clock } = parts
    await tellSerial(gateway, send)
    const radio = ways.radio()
    const told = new Map<string, string>()
    const callOff = radio.watch(advert => {
      const { address, name, services, rssi, paired } = advert
      const face = faceOf(advert)
      if (told.get(address) === face || told.size >= deviceLimit) return
      told.set(address, face)
      send({
        kind: 'ble',
        port: `ble://${address}`,
        name: name ?? null,
        rssi: rssi ?? null,
        services: services.slice(0, 64),
        paired,
        device: stations.at(`ble://${address}`) ?? null,
        proposals: propose(parts.drivers, { name, services }),
      })
    })
    try {
      const until = clock.mono() + seconds * 1000
      while (clock.mono() < until && !end.aborted) {
        const { state, fault } = radio.facts()
        if (isFault(fault) && (state === 'absent' || state === 'off')) {
          const { code, message, hint } = fault
          send({ kind: 'fault', code, message, hint: hint ?? null })
          return
        }
        await new Promise<void>(resolve => after(lookMs, resolve))
      }
    } finally {
      callOff()
    }
  }
