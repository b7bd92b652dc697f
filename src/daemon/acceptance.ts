import type { Acceptance } from '../control/api.ts'
import type { Device } from '../identity/devices.ts'
import type { Book } from '../identity/registry-book.ts'
import type { DeviceList } from '../wire/registry.ts'
import { decodeBody, unpublish } from '../wire/statement.ts'

/**
 * What the newest device list that this box holds says of a device (WIRE 9.4): `waiting`, its readings are in
 * quarantine until an operator accepts it; `changed`, they are because another driver was accepted. Undefined where no
 * list is known. Of its port the list says nothing: that the server alone compares (WIRE 6.6).
 */
export function acceptanceOf({ id, driver }: Device, book: Book | undefined): Acceptance | undefined {
  const form = book?.file.devices
  if (form === undefined || form === null) return undefined
  // the book holds what it has verified
  const { devices } = decodeBody(unpublish(form).body) as unknown as DeviceList
  const accepted = devices.find(one => one.device === id)
  if (accepted === undefined) return 'waiting'
  return accepted.driver === driver ? 'accepted' : 'changed'
}
