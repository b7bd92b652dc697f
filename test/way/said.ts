import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { digitsOf } from '../../scripts/scenario/expected.ts'
import { listReadings } from '../../src/receiver/readings-list.ts'
import type { WayBox, WaySite } from './site.ts'

/** A reading as far as a device says it: digits and unit by kind, and what the device says of itself. */
export interface SaidReading {
  values: Record<string, string>
  deviceTime?: string
  deviceId?: string
}

/** A capture in the project, by driver and name. */
export const captureOf = (driver: string, name: string): string =>
  fileURLToPath(new URL(`../../drivers/${driver}/captures/${name}.jsonl`, import.meta.url))

interface Line {
  measured?: Record<string, { value: string; unit: string }>
  deviceTime?: string
  deviceId?: string
}

/** JSON with each number left as the digits that stand in the file: 72.40 is not 72.4 here. */
const parseDigits = (text: string): Line[] => {
  const reviver = (_: string, value: unknown, { source }: { source?: string }): unknown =>
    typeof value === 'number' ? source : value
  return (JSON.parse as (text: string, reviver: unknown) => Line[])(text, reviver)
}

/** What the expectation beside a capture says is measured, in its order and with its digits. */
export function expectedOf(driver: string, name: string): SaidReading[] {
  const file = captureOf(driver, name).replace('.jsonl', '.expect.json')
  return parseDigits(readFileSync(file, 'utf8')).flatMap(({ measured, deviceTime, deviceId }) => {
    if (measured === undefined) return []
    const values = Object.entries(measured).map(([kind, { value, unit }]) => [kind, `${value} ${unit}`])
    return {
      values: Object.fromEntries(values) as Record<string, string>,
      ...(deviceTime === undefined ? {} : { deviceTime }),
      ...(deviceId === undefined ? {} : { deviceId }),
    }
  })
}

/** A reading as it is held by the receiver. */
export interface HeldReading extends SaidReading {
  band: string | null
  verdict: string
}

/** What the receiver holds of one device, in the order of the chain. */
export const heldOf = (site: WaySite, box: WayBox, device: string): HeldReading[] =>
  listReadings(site.store, { gateway: box.gateway, device, verdict: 'all' })
    .sort((a, b) => a.seq - b.seq)
    .map(({ values, band, verdict, deviceTime, deviceId }) => ({
      values: digitsOf(values),
      band,
      verdict,
      ...(deviceTime === undefined ? {} : { deviceTime }),
      ...(deviceId === undefined ? {} : { deviceId }),
    }))
