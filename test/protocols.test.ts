import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from '@jest/globals'
import { unhex } from '../src/base/bytes.ts'
import { loadDrivers } from '../src/driver/load.ts'
import type { Heard, Outcome } from '../src/driver/session.ts'
import { openSession } from '../src/driver/session.ts'
import { setUp } from '../src/driver/setup.ts'
import { digits } from '../src/reading/quantity.ts'
import { type Expected, type Wanted, wantedOfBle, wantedOfSerial } from './protocols/wanted.ts'

// All published bytes that belong to a driver (test/protocols/README.md). The expectations are those of the
// sources; conversions of units are calculated in wanted.ts, not by the product.

const drivers = await loadDrivers()
const folder = new URL('protocols/', import.meta.url)

interface Shipped {
  driver: string
  options?: Record<string, boolean | number | string>
}

/** The driver of each file of serial frames, and with what options where the line's settings differ. */
const serial: Record<string, Shipped> = {
  'and-balance-standard': { driver: 'and-line' },
  'and-indicator-standard': { driver: 'and-line' },
  'tscale-qhw-real': { driver: 'and-line' },
  'and-tm2655-rb': { driver: 'and-tm2655' },
  'barcode-wristband': { driver: 'barcode-scanner' },
  'cardinal-enq': { driver: 'cardinal-enq' },
  'dinamap-host-ascii': { driver: 'dinamap-host' },
  'healthometer-esc': { driver: 'healthometer-esc' },
  'healthometer-stx-d7e4': { driver: 'healthometer-d7e4' },
  'masimo-rad-real': { driver: 'masimo-rad' },
  'mettler-mt-sics': { driver: 'mettler-sics' },
  'nonin-df13-df8': { driver: 'nonin-serial' },
  'nonin-df2-packet': { driver: 'nonin-serial', options: { format: 'df2' } },
  'ohaus-defender-real': { driver: 'ohaus-print' },
  'omron-hbp9020-real': { driver: 'omron-hbp9030', options: { format: 'hbp9020-mode-5' } },
  'omron-hbp9030-format5': { driver: 'omron-hbp9030' },
  'sma-standard': { driver: 'sma-scale' },
  'tanita-csv': { driver: 'tanita-csv' },
}

/** Where one frame of a file needs other options than its neighbours. */
function optionsOf(file: string, { expect: expected, bytes }: Frame): Shipped['options'] {
  if (file === 'tanita-csv' && !Buffer.from(bytes).includes(',CS,')) return { checksum: false }
  if (file === 'nonin-df13-df8') return { format: expected.format === 8 ? 'df8' : 'df13' }
  return serial[file]?.options
}

/** The driver of each BLE characteristic. */
const ble: Record<string, string> = {
  '0x2A35': 'ble-blood-pressure',
  '0x2A36': 'ble-blood-pressure',
  '0x2B34': 'ble-blood-pressure',
  '0x2A9D': 'ble-weight',
  '0x2A9C': 'ble-body-composition',
  '0x2A1C': 'ble-thermometer',
  '0x2A5E': 'ble-oximeter',
  '0x2A5F': 'ble-oximeter',
  '0AAD7EA0-0D60-11E2-8E3C-0002A5D5C51B': 'nonin-3230',
}

interface Frame {
  expect: Expected
  bytes: Uint8Array
  note: string
}

/** The frames from the device that say what they mean. */
function framesOf(file: string): Frame[] {
  const blocks = readFileSync(new URL(`serial/${file}.hex`, folder), 'utf8').split(/\n\s*\n/)
  return blocks.flatMap(block => {
    const expected = /^# expect: (.*)$/m.exec(block)?.[1]
    const hex = [...block.matchAll(/^< (.*)$/gm)].map(found => found[1]!.replaceAll(/\s/g, ''))
    if (expected === undefined || hex.length === 0) return []
    const note = /^# ascii: (.*)$/m.exec(block)?.[1] ?? file
    return [{ expect: JSON.parse(expected) as Expected, bytes: unhex(hex.join('').toLowerCase()), note }]
  })
}

/** Values that were said, as numbers, and what else each frame meant. */
function told(outcomes: Outcome[]): { said: Record<string, number>[]; scanned: string[]; others: Heard[] } {
  const said = outcomes.flatMap(({ heard }) =>
    'measured' in heard
      ? [Object.fromEntries(Object.entries(heard.measured).map(([kind, one]) => [kind, Number(digits(one))]))]
      : [],
  )
  const scanned = outcomes.flatMap(({ heard }) => ('scanned' in heard ? [heard.scanned] : []))
  const others = outcomes.map(({ heard }) => heard).filter(one => !('measured' in one) && !('scanned' in one))
  return { said, scanned, others }
}

function judge(outcomes: Outcome[], wanted: Wanted): void {
  const { said, scanned, others } = told(outcomes)
  if (wanted.scanned !== undefined) expect(scanned).toEqual([wanted.scanned])
  if (wanted.never !== undefined) {
    for (const one of said) expect(wanted.never).not.toContain(one['body-weight'])
  }
  if (wanted.values === undefined) return
  if (wanted.values === 'nothing') {
    expect([said, scanned]).toEqual([[], []])
    expect(others.length).toBeGreaterThan(0)
    return
  }
  expect(said.length).toBeGreaterThan(0)
  for (const [kind, value] of Object.entries(wanted.values)) expect(said.at(-1)?.[kind]).toBeCloseTo(value, 6)
}

function heardOf(id: string, options: object, bytes: Uint8Array, char?: string): Outcome[] {
  const session = openSession(setUp(drivers.of(id).driver, options), 0)
  session.rest(0) // asks, where the device must be asked
  return [...session.hear(bytes, 1, char), ...session.end(2)]
}

const left = new Map<string, number>()
afterAll(() => {
  const rows = [...left].map(([name, count]) => `${name} ${count}`)
  process.stdout.write(`\nbytes of no driver: ${rows.join(', ')}\n\n`)
})

describe.each(readdirSync(new URL('serial/', folder)).map(name => name.replace('.hex', '')))('%s', file => {
  const frames = framesOf(file)
  const shipped = serial[file]
  if (shipped === undefined) {
    left.set(file, frames.length)
    test.each([[frames.length]])('%d frames of no driver', count => expect(count).toBeGreaterThanOrEqual(0))
    return
  }
  test.each(frames.map(frame => [frame.note, frame] as const))('%s', (_note, frame) => {
    const wanted = wantedOfSerial(frame.expect, frames[0]?.expect)
    judge(heardOf(shipped.driver, optionsOf(file, frame) ?? {}, frame.bytes), wanted)
  })
})

interface Vector {
  id: string
  characteristic: string
  hex: string
  expected: Expected
  publish?: boolean
  quirk?: string
}

const quirkOf = (quirk = ''): object => {
  const name = /^(beurer-swapped|resolution-0\.05)/.exec(quirk)?.[1]
  return name === undefined ? {} : { quirk: name }
}

describe.each(readdirSync(new URL('ble/', folder)))('%s', file => {
  const vectors = JSON.parse(readFileSync(new URL(`ble/${file}`, folder), 'utf8')) as Vector[]
  // Xiaomi's frames use the same numbers for another layout; their scales are not read (ble-weight NOTES).
  const ours = vectors.filter(
    one => ble[one.characteristic] !== undefined && !one.quirk?.startsWith('xiaomi'),
  )
  if (ours.length < vectors.length) left.set(file, vectors.length - ours.length)
  if (ours.length === 0) {
    test.each([[vectors.length]])('%d values of no driver', count => expect(count).toBeGreaterThan(0))
    return
  }
  test.each(ours.map(one => [one.id, one] as const))('%s', (_id, vector) => {
    const { characteristic, hex, expected, publish } = vector
    const char = characteristic.replace('0x', '').toLowerCase()
    const mode = char === '2a5f' ? { mode: 'continuous' } : {}
    const options = { ...quirkOf(vector.quirk), ...mode }
    const outcomes = heardOf(ble[characteristic]!, options, unhex(hex), char)
    judge(outcomes, wantedOfBle(expected, { char, publish: publish !== false }))
  })
})
