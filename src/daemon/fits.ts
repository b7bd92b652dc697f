import { Fault } from '../base/fault.ts'
import type { Address } from '../base/portname.ts'
import type { Link } from '../driver/driver.ts'

/** A fault `config.invalid` where a driver of this link cannot be at this port. */
export function fits(address: Address, link: Link, what: string): void {
  const over = 'ble' in link ? 'ble' : 'serial'
  if ((address.kind === 'ble') === (over === 'ble')) return
  const hint =
    over === 'ble' ? 'its port is ble://AA:BB:CC:DD:EE:FF' : 'its port is /dev/ttyUSB0 or tcp://host:port'
  throw new Fault('config.invalid', `${what} has a driver of a ${over} device at a ${address.kind} port`, {
    hint,
  })
}
