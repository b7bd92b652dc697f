import type { Bluez, Device, DeviceSettings, Value } from '../fakes/bluez.ts'
import type { FastTime } from './time.ts'

/** A BLE device that measures: what it stores for its n-th measurement, and by what key that is known. */
export interface WirelessModel {
  driver: string
  settings: DeviceSettings
  /** At a moment of the wall clock, milliseconds. */
  measure(n: number, wall: number): { key: string; values: (Value & { at?: number })[] }
  /** Whether it keeps what was not confirmed, and sends it again. */
  keeps: boolean
}

const u16 = (value: number): string => Buffer.from([value & 0xff, value >> 8]).toString('hex')

/** Date Time of the SIG: year, month, day, hours, minutes, seconds, local time; here of UTC. */
function dateTime(wall: number): { hex: string; text: string } {
  const at = new Date(wall)
  const parts = [
    at.getUTCMonth() + 1,
    at.getUTCDate(),
    at.getUTCHours(),
    at.getUTCMinutes(),
    at.getUTCSeconds(),
  ]
  return {
    hex: u16(at.getUTCFullYear()) + Buffer.from(parts).toString('hex'),
    text: at.toISOString().slice(0, 19),
  }
}

const cuff: WirelessModel = {
  driver: 'ble-blood-pressure',
  keeps: true,
  settings: {
    address: 'A4:C1:38:00:00:01',
    name: 'BPM soak',
    paired: true,
    services: { '1810': { '2a35': { flags: ['indicate'] }, '2a49': { flags: ['read'], value: '0000' } } },
  },
  measure(n, wall) {
    const [sys, dia, pulse] = [110 + (n % 90), 50 + (n % 40), 60 + (n % 40)]
    const time = dateTime(wall)
    // flags: time stamp and pulse; the mean is NaN
    const value = `06${u16(sys)}${u16(dia)}ff07${time.hex}${u16(pulse)}`
    return { key: `${sys}/${dia} ${time.text}`, values: [{ char: '2a35', value }] }
  },
}

const scale: WirelessModel = {
  driver: 'ble-weight',
  keeps: true,
  settings: {
    address: 'A4:C1:38:00:00:02',
    name: 'Scale soak',
    paired: true,
    services: { '181d': { '2a9d': { flags: ['indicate'] }, '2a9e': { flags: ['read'], value: '00000000' } } },
  },
  measure(n, wall) {
    const raw = 8000 + (n % 5000) * 2 // 0.005 kg a count
    const time = dateTime(wall)
    return {
      key: `${raw / 200} ${time.text}`,
      values: [{ char: '2a9d', value: `02${u16(raw)}${time.hex}` }],
    }
  },
}

const thermometer: WirelessModel = {
  driver: 'ble-thermometer',
  keeps: true,
  settings: {
    address: 'A4:C1:38:00:00:03',
    name: 'Thermometer soak',
    paired: true,
    services: { '1809': { '2a1c': { flags: ['indicate'] } } },
  },
  measure(n, wall) {
    const tenths = 350 + (n % 60)
    const time = dateTime(wall)
    // flags: time stamp; FLOAT with exponent -1
    return {
      key: `${tenths / 10} ${time.text}`,
      values: [{ char: '2a1c', value: `02${u16(tenths)}00ff${time.hex}` }],
    }
  },
}

const oximeter: WirelessModel = {
  driver: 'ble-oximeter',
  keeps: false,
  settings: {
    address: 'A4:C1:38:00:00:04',
    name: 'Oximeter soak',
    paired: true,
    services: { '1822': { '2a5e': { flags: ['indicate'] } } },
  },
  measure(n) {
    const pulse = 50 + (n % 150)
    // a spot check without anything that may be left out: 97 %, pulse
    return { key: `${pulse}`, values: [{ char: '2a5e', value: `00${u16(97)}${u16(pulse)}` }] }
  },
}

export const wirelessModels: readonly WirelessModel[] = [cuff, scale, thermometer, oximeter]

/** Resolves when the device has sent everything it has; false when it took too long. */
export async function emptied(
  device: Device,
  bluez: Bluez,
  time: FastTime,
  limitMs: number,
): Promise<boolean> {
  const until = time.clock.mono() + limitMs
  while (device.stored > 0 || device.connected) {
    if (time.clock.mono() > until || bluez.broken.length > 0) return false
    await time.pass(500)
  }
  return true
}
