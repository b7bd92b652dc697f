import { readdirSync, type Stats, statSync } from 'node:fs'
import { parse, stringify, TomlError } from 'smol-toml'
import { z } from 'zod'
import { checked, nearest } from '../base/check.ts'
import { Fault, isFault } from '../base/fault.ts'
import { fileFault, isThere, readTextFile, writeFileAtomic } from '../base/files.ts'
import { addressForms, addressOf, addressText, parseAddress } from '../base/portname.ts'
import { name } from '../wire/members.ts'
import { places, type Save } from './places.ts'

const device = z.strictObject({
  id: name,
  driver: name,
  port: z.string().transform((text, context) => {
    const found = addressOf(text)
    if (found !== undefined) return addressText(found)
    context.addIssue({ code: 'custom', message: addressForms })
    return z.NEVER
  }),
  station: name,
  options: z
    .record(z.string().regex(/^[a-z][A-Za-z]{0,63}$/), z.union([z.boolean(), z.number(), z.string().max(64)]))
    .default({}),
})

/**
 * A device of this box: what it is called, which driver understands it, where it is reached. `port` is the one
 * spelling of that place (base/portname.ts).
 */
export type Device = z.infer<typeof device>

/** Looks at what only the driver's card can judge; throws a fault `driver.unknown` or `config.invalid`. */
export type DeviceCheck = (device: Device) => void

/** Most devices of one box (WIRE 1.5, device list). */
const deviceLimit = 256

const file = z.strictObject({
  device: z
    .array(device)
    .max(deviceLimit)
    .default([])
    .superRefine((all, context) => {
      for (const member of ['id', 'port'] as const) {
        for (const [at, one] of all.entries()) {
          const first = all.findIndex(other => other[member] === one[member])
          if (first === at) continue
          const message = `is already that of device[${first}] (got ${JSON.stringify(one[member])})`
          context.addIssue({ code: 'custom', path: [at, member], message })
        }
      }
    }),
})

function parsed(text: string, what: string): unknown {
  try {
    return parse(text)
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause
    const [why] = cause.message.replace('Invalid TOML document: ', '').split('\n')
    throw new Fault('config.invalid', `${what}: line ${cause.line}, column ${cause.column}: ${why}`, {
      cause,
    })
  }
}

/** All that the check has against these devices, as one fault. */
function checkAll(devices: readonly Device[], check: DeviceCheck, what: string): void {
  const lines = devices.flatMap((one, at) => {
    try {
      check(one)
      return []
    } catch (error) {
      if (!isFault(error)) throw error
      return [
        `  device[${at}] ${one.id}: ${error.message}${error.hint === undefined ? '' : ` (${error.hint})`}`,
      ]
    }
  })
  if (lines.length === 0) return
  const count = lines.length === 1 ? '1 problem' : `${lines.length} problems`
  throw new Fault('config.invalid', `${what} has ${count}\n${lines.join('\n')}`)
}

/**
 * The devices of this box; none before one was added. Fault `config.invalid` that lists every problem of the
 * file, or else every one that the check finds.
 */
export function readDevices(state: string, check: DeviceCheck = () => {}): Device[] {
  const path = places(state).devices
  if (!isThere(path)) return []
  const devices = checked(file, parsed(readTextFile(path), path), path, 'config.invalid').device
  checkAll(devices, check, path)
  return devices
}

function writeDevices(state: string, devices: readonly Device[], save: Save): void {
  const text = `# Written by "vitalgate device add" and "vitalgate device remove".\n\n`
  save(places(state).devices, text + stringify({ device: devices }), 0o600)
}

/** The serial ports that udev names, to be told to somebody who named none of them. */
function portsThere(): string[] {
  const folder = '/dev/serial/by-path'
  return isThere(folder) ? readdirSync(folder).map(one => `${folder}/${one}`) : []
}

/** What is at a path, its symbolic links followed; undefined for nothing. */
function lookAt(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch (error) {
    throw fileFault(path, error, 'port.missing')
  }
}

/**
 * A fault `port.missing` if nothing is at this path, `port.refused` if it is no character device (tty(4)). What
 * is reached over the network or by radio may be away when it is added.
 */
export function checkPort(port: string): void {
  const address = parseAddress(port)
  if (address.kind !== 'serial') return
  const { path } = address
  const found = lookAt(path)
  if (found?.isCharacterDevice() === true) return
  const there = portsThere()
  const ports = there.length === 0 ? 'no serial port is there now' : `ports: ${there.join(', ')}`
  if (found !== undefined) throw new Fault('port.refused', `${path} is no serial port`, { hint: ports })
  throw new Fault('port.missing', `there is no port ${path}`, {
    hint: there.length === 0 ? `plug the device in first; ${ports}` : ports,
  })
}

/** What the check has against a device that somebody typed: it is no configuration yet. */
function checkTyped(added: Device, check: DeviceCheck): void {
  try {
    check(added)
  } catch (error) {
    if (!isFault(error, 'config.invalid')) throw error
    throw new Fault('input.invalid', error.message, {
      hint: error.hint ?? 'options of each driver: vitalgate drivers',
      cause: error,
    })
  }
}

const sameDevice = (a: Device, b: Device): boolean => {
  const plain = ({ options, ...rest }: Device) =>
    JSON.stringify([rest, Object.entries(options).sort(([x], [y]) => (x < y ? -1 : 1))])
  return plain(a) === plain(b)
}

/**
 * Adds a device, unless exactly this one is there already. Faults: `input.invalid`, `device.exists` (its id
 * or port is another's), `port.missing`, `port.refused`, and those of the check.
 */
export function addDevice(
  state: string,
  given: unknown,
  check: DeviceCheck,
  save: Save = writeFileAtomic,
): { already: boolean; device: Device } {
  const added = checked(device, given, 'device', 'input.invalid')
  const devices = readDevices(state)
  const other = devices.find(one => one.id === added.id || one.port === added.port)
  if (other !== undefined) {
    if (sameDevice(other, added)) return { already: true, device: other }
    const what = other.id === added.id ? `a device ${other.id}` : `device ${other.id} at port ${other.port}`
    throw new Fault('device.exists', `there is already ${what}`, {
      hint: `remove it first: vitalgate device remove ${other.id}`,
    })
  }
  if (devices.length === deviceLimit)
    throw new Fault('input.invalid', `there are already ${deviceLimit} devices`)
  checkTyped(added, check)
  checkPort(added.port)
  writeDevices(state, [...devices, added], save)
  return { already: false, device: added }
}

/** Removes a device and gives it back. Fault `device.unknown` with the nearest known id. */
export function removeDevice(state: string, id: string, save: Save = writeFileAtomic): Device {
  const devices = readDevices(state)
  const found = devices.find(one => one.id === id)
  if (found === undefined) {
    const ids = devices.map(one => one.id)
    const near = nearest(id, ids)
    const hint =
      near !== undefined
        ? `did you mean ${near}?`
        : ids.length === 0
          ? 'no device was added yet'
          : `devices: ${ids.join(', ')}`
    throw new Fault('device.unknown', `no device ${JSON.stringify(id)}`, { hint })
  }
  writeDevices(
    state,
    devices.filter(one => one !== found),
    save,
  )
  return found
}
