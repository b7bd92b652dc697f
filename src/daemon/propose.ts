import type { Drivers, Loaded } from '../driver/load.ts'
import type { Choice } from '../driver/options.ts'
import { setUp } from '../driver/setup.ts'

/** A driver that a device may have, and the options that its signs ask for. */
export interface Proposal {
  driver: string
  model: string
  options: Record<string, Choice>
}

/** What is known of a device before it says a word. */
export type Looks = { usb: string | undefined } | { name: string | undefined; services: readonly string[] }

function proposed({ id, driver }: Loaded, looks: Looks): Proposal[] {
  const overUsb = 'usb' in looks
  const bySign = (driver.signs ?? []).filter(sign =>
    overUsb
      ? sign.usb !== undefined && sign.usb === looks.usb
      : sign.name !== undefined && looks.name?.startsWith(sign.name) === true,
  )
  if (bySign.length > 0) {
    return bySign.map(({ model, options }) => ({ driver: id, model, options: { ...options } }))
  }
  const { link } = setUp(driver, {})
  const offers = !overUsb && 'ble' in link && looks.services.includes(link.ble.service)
  return offers ? [{ driver: id, model: driver.name, options: {} }] : []
}

/**
 * The drivers that a device may have: those that know a sign of it, or the service that it offers. Nothing
 * is decided, and nothing depends on the order of drivers: where several fit, a person chooses.
 */
export const propose = ({ all }: Drivers, looks: Looks): Proposal[] =>
  all.flatMap(one => proposed(one, looks))
