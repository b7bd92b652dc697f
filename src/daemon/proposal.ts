import { hex, sha256 } from '../base/bytes.ts'
import { isBySerial, parseAddress, portIdentity } from '../base/portname.ts'
import type { Device } from '../identity/devices.ts'
import { serialNumber } from '../transport/usb.ts'
import type { EventDetail } from '../wire/chained.ts'
import { portTag } from '../wire/porttag.ts'
import type { Ways } from './ways.ts'

/** The event of a device that a technician added. */
export interface ProposalMembers {
  event: 'device-proposed'
  detail: EventDetail<'device-proposed'>
}

/**
 * The proposal of a device (WIRE 6.4), with what binds it to its port (WIRE 6.6) and whether it is bonded, as far as
 * both are known now: a device that is away tells neither.
 */
export async function proposalOf(
  { id, driver, port, station, options }: Device,
  gateway: string,
  ways: Pick<Ways, 'bonded'>,
): Promise<ProposalMembers> {
  const sorted = Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1))
  const address = parseAddress(port)
  const bySerial = address.kind === 'serial' && isBySerial(address.path)
  const tag = portTag(gateway, portIdentity(address, bySerial ? await serialNumber(address.path) : undefined))
  const bonded = address.kind === 'ble' ? ways.bonded(address.address) : undefined
  return {
    event: 'device-proposed',
    detail: {
      device: id,
      driver,
      station,
      link: address.kind,
      options: hex(sha256(JSON.stringify(sorted))),
      ...(tag !== undefined && { port: tag }),
      ...(bonded !== undefined && { bonded }),
    },
  }
}
