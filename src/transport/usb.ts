import { open, readdir, realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** A serial port of this machine, and what is known of whatever is plugged in there. */
export interface SerialFacts {
  /** The name that the kernel gave: it changes with the order of plugging in. */
  path: string
  /** Vendor and product, `10c4:ea60`; absent where it is no USB port. */
  usb?: string
  /** What the device says of itself; at most 64 printable characters each. */
  manufacturer?: string
  product?: string
  serial?: string
  /** The socket and interface it is plugged into, `1-1.3:1.0`. */
  place?: string
  /** Names that udev keeps the same: by what the device says of itself, and by where it is plugged in. */
  byId?: string
  byPath?: string
}

/** A name of a port that stays, and what makes it stay. */
export interface StableName {
  port: string
  why: 'by-path' | 'by-id' | 'as-typed'
}

/** Most ports, and most names of udev, that are looked at. */
const portLimit = 256
const nameLimit = 1024
/** Most bytes of a file of sysfs that are read; what we read there is shorter. */
const attributeLimit = 1024
const textLimit = 64

/** Kernel doc, admin-guide/devices.txt: USB bridges, USB modems (CDC), PC and Arm UARTs. */
const serialNames = /^tty(USB|ACM|S|AMA)\d{1,4}$/
/** An interface of a USB device: bus, sockets, configuration, interface. */
const interfaceNames = /^\d+-\d+(\.\d+)*:\d+\.\d+$/

/** What a file of sysfs says, trimmed and made one printable line; undefined where it says nothing. */
async function attribute(path: string): Promise<string | undefined> {
  try {
    await using file = await open(path, 'r')
    const { bytesRead, buffer } = await file.read(Buffer.alloc(attributeLimit), 0, attributeLimit, 0)
    const text = buffer.toString('utf8', 0, bytesRead).replace(/[^\p{L}\p{M}\p{N}\p{P}\p{S}\s]/gu, '?')
    const line = [...text.trim().replace(/\s/g, ' ')].slice(0, textLimit).join('').trim()
    return line === '' ? undefined : line
  } catch {
    // Devices may lack any of them, and go away while they are looked at.
    return undefined
  }
}

/** The names in a folder; none where there is no such folder. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch {
    // A machine without serial ports has no such folder, one without udev has no names in it.
    return []
  }
}

/** Where a path leads, its links followed; undefined where it leads nowhere. */
async function target(path: string): Promise<string | undefined> {
  try {
    return await realpath(path)
  } catch {
    return undefined // went away meanwhile
  }
}

/** The names that udev keeps in a folder of /dev/serial, by the device node that they lead to. */
async function kept(root: string, folder: string): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  const names = (await namesIn(join(root, 'dev/serial', folder))).sort().slice(0, nameLimit)
  for (const name of names) {
    const node = await target(join(root, 'dev/serial', folder, name))
    // udev has two names for a place (usb and usbv2): the first of them is the one that it always had
    if (node !== undefined && !found.has(node)) found.set(node, `/dev/serial/${folder}/${name}`)
  }
  return found
}

/** What sysfs knows of the USB device that a port belongs to; nothing where it belongs to none. */
async function usbFacts(device: string): Promise<Partial<SerialFacts>> {
  let at = device
  while (!interfaceNames.test(basename(at))) {
    if (at === dirname(at)) return {}
    at = dirname(at)
  }
  const of = (name: string): Promise<string | undefined> => attribute(join(dirname(at), name))
  const usb = `${await of('idVendor')}:${await of('idProduct')}`
  if (!/^[0-9a-f]{4}:[0-9a-f]{4}$/.test(usb)) return {}
  const facts: Partial<SerialFacts> = { usb, place: basename(at) }
  for (const name of ['manufacturer', 'product', 'serial'] as const) {
    const text = await of(name)
    if (text !== undefined) facts[name] = text
  }
  return facts
}

/**
 * The serial ports of this machine, in the order of their names, with what sysfs tells of them: at most 256.
 * Empty where there is none, or where sysfs cannot be read. `root` is where /sys and /dev are.
 */
export async function serialPorts(root = '/'): Promise<SerialFacts[]> {
  const [byId, byPath] = [await kept(root, 'by-id'), await kept(root, 'by-path')]
  const order = new Intl.Collator('en', { numeric: true })
  const names = (await namesIn(join(root, 'sys/class/tty'))).filter(name => serialNames.test(name))
  const ports: SerialFacts[] = []
  for (const name of names.sort(order.compare)) {
    if (ports.length === portLimit) break
    const device = await target(join(root, 'sys/class/tty', name, 'device'))
    const node = await target(join(root, 'dev', name))
    if (device === undefined || node === undefined) continue
    // The kernel keeps ttyS for UARTs that are not there: PORT_UNKNOWN is 0 (linux/serial_core.h).
    if (name.startsWith('ttyS') && (await attribute(join(root, 'sys/class/tty', name, 'type'))) === '0')
      continue
    const port: SerialFacts = { path: `/dev/${name}`, ...(await usbFacts(device)) }
    const [id, place] = [byId.get(node), byPath.get(node)]
    if (id !== undefined) port.byId = id
    if (place !== undefined) port.byPath = place
    ports.push(port)
  }
  return ports
}

/** Serial number of the adapter that a name of udev's (`by-id`) leads to now; undefined where none is known. */
export const serialNumber = async (byId: string): Promise<string | undefined> =>
  (await serialPorts()).find(one => one.byId === byId)?.serial

/**
 * Whether a USB serial number may tell one device from another: not those that makers leave as the chip came,
 * such as the 0001 of every CP210x bridge in Health o meter scales, 00000000 or 0123456789ABCDEF.
 */
function isReal(serial: string): boolean {
  const text = serial.toLowerCase()
  const counting = ['0123456789abcdef', '01234567890123456789'].some(run => run.includes(text))
  return !counting && !/^0*.?$/.test(text) && !/^(.)\1*$/.test(text)
}

/**
 * A name for the port at a path that stays when the box starts anew and devices are plugged in in another
 * order. By what the device says of itself where that is its own: the device may then move to another socket.
 * By its socket where it is not, or is another's too: then a device that moves is another device. A name that
 * is none of the kernel's stays as it was typed.
 */
export function stableName(path: string, ports: readonly SerialFacts[]): StableName {
  const port = ports.find(one => one.path === path)
  if (port === undefined) return { port: path, why: 'as-typed' }
  const { serial, usb, byId, byPath } = port
  const alike = ports.filter(one => one.usb === usb && one.serial === serial)
  if (byId !== undefined && serial !== undefined && isReal(serial) && alike.length === 1) {
    return { port: byId, why: 'by-id' }
  }
  return byPath === undefined ? { port: path, why: 'as-typed' } : { port: byPath, why: 'by-path' }
}
