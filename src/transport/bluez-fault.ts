import { Fault, isFault } from '../base/fault.ts'
import { plainWord } from '../base/plain.ts'

/** What BlueZ or the bus answered instead of a result. */
interface Refusal {
  /** `org.bluez.Error.Failed` and the like; empty where the library itself complains. */
  name: string
  text: string
}

/** The name and text of an error of the D-Bus library; foreign text is cut and made plain. */
export function refusalOf(cause: unknown): Refusal {
  const { type, text, message } = (cause ?? {}) as { type?: unknown; text?: unknown; message?: unknown }
  const said = typeof text === 'string' && text !== '' ? text : typeof message === 'string' ? message : ''
  return { name: typeof type === 'string' ? type : '', text: plainWord(said.slice(0, 200)) }
}

/** Whether the object that was called is not there: a device that was removed, or was never found. */
export function vanished(error: unknown): boolean {
  const { name, text } = refusalOf(isFault(error) ? error.cause : error)
  return (
    /\.(UnknownObject|UnknownMethod|UnknownInterface|DoesNotExist)$/.test(name) ||
    /^(Device not found|interface not found in proxy object)/.test(text)
  )
}

const pairAgain = 'if it stays so, the device forgot its pairing: remove it here and pair it again'

/** Faults by the last word of the error's name. */
const byName: Record<string, (what: string, cause: unknown) => Fault> = {
  ServiceUnknown: (_what, cause) => bluezAbsent(cause),
  NameHasNoOwner: (_what, cause) => bluezAbsent(cause),
  NotReady: (_what, cause) => adapterOff('the Bluetooth adapter', cause),
  AuthenticationFailed: refusedBy('the device refused the pairing'),
  AuthenticationRejected: refusedBy('the pairing was rejected'),
  AuthenticationCanceled: refusedBy('the pairing was called off'),
  AuthenticationTimeout: refusedBy('the device did not answer the pairing in time'),
  NotPermitted: refusedBy('the device does not permit it'),
  NotAuthorized: refusedBy('the device does not permit it without pairing'),
  NotSupported: refusedBy('the device does not offer it'),
  InvalidValueLength: refusedBy('the device takes no value of this length'),
  InvalidArguments: refusedBy('BlueZ does not take it'),
  InvalidOffset: refusedBy('the device does not offer it'),
}

function refusedBy(why: string): (what: string, cause: unknown) => Fault {
  return (what, cause) => new Fault('ble.refused', `${what}: ${why}`, { cause })
}

/**
 * What went wrong on the way to a device, in the words of a person. `what` names the step and the address.
 * Whatever the library throws comes from outside (a bus, BlueZ, a device) and is never taken for a bug.
 */
export function faultOf(cause: unknown, what: string): Fault {
  if (isFault(cause)) return cause
  const { name, text } = refusalOf(cause)
  const known = byName[name.split('.').at(-1) ?? '']
  if (known !== undefined) return known(what, cause)
  if (vanished(cause)) {
    return new Fault('ble.lost', `${what}: the device is not there`, {
      hint: 'wake it up or measure with it, so that it advertises',
      cause,
    })
  }
  // BlueZ doc/device-api: the texts of org.bluez.Error.Failed after Connect
  if (/le-connection-key-missing/.test(text)) {
    return new Fault('ble.unpaired', `${what}: the device no longer knows the pairing`, {
      hint: 'remove it here and pair it again',
      cause,
    })
  }
  if (/adapter-not-powered/.test(text)) return adapterOff('the Bluetooth adapter', cause)
  if (/abort-by-local|abort-by-remote/.test(text)) {
    return new Fault('ble.lost', `${what}: the link did not come up`, { hint: pairAgain, cause })
  }
  // bluetoothd refuses a single read or write as Failed too, with the ATT error in its text
  if (/^(Operation failed with ATT error|.*\bATT error)/i.test(text)) {
    return new Fault('ble.refused', `${what}: the device refused it`, { hint: text, cause })
  }
  return new Fault('ble.lost', `${what} failed`, text === '' ? { cause } : { hint: text, cause })
}

/** Nobody answers for org.bluez. */
export const bluezAbsent = (cause?: unknown): Fault =>
  new Fault('ble.absent', 'bluetoothd is not running', { hint: 'systemctl status bluetooth', cause })

/** The system bus itself cannot be reached. */
export const busAbsent = (cause?: unknown): Fault =>
  new Fault('ble.absent', 'the system bus does not answer', { hint: 'systemctl status dbus', cause })

/** bluetoothd runs and has no adapter. */
export const adapterAbsent = (): Fault =>
  new Fault('ble.absent', 'there is no Bluetooth adapter', {
    hint: 'plug one in; those that the kernel knows: ls /sys/class/bluetooth',
  })

/** The adapter is there without power. */
export const adapterOff = (name: string, cause?: unknown): Fault =>
  new Fault('ble.off', `${name} has no power`, {
    hint: 'rfkill unblock bluetooth, then bluetoothctl power on',
    cause,
  })
