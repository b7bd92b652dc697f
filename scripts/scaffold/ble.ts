import { notes } from './notes.ts'
import { literal } from './serial.ts'

const card = (name: string): string => `import { driver, linkCrc, malformed, quantity } from '#driver'

// FILL IN: which characteristic carries what, and where that is written (specification or manual, clause).
// Source: invented; see NOTES.md.

export default driver({
  name: ${literal(name)},
  revision: 1,
  // FILL IN: take this away when values of a true device, or vectors of its maker, stand behind it.
  experimental: true,
  link: {
    ble: {
      // FILL IN: the service that it offers; whether it must be paired; whether it keeps measurements.
      service: '181d',
      bond: true,
      stores: false,
      // FILL IN: the steps at the beginning of a session, in the order that the device wants.
      begin: [{ hear: '2a9d', must: true }],
    },
  },
  // The radio itself drops what was damaged on its way.
  check: linkCrc,
  // FILL IN: all kinds that it may measure.
  says: ['body-weight'],
  listen: () => (payload, char) => {
    // FILL IN: understand, be silent with a reason, or throw. Special values are never numbers.
    if (char !== '2a9d') throw malformed('characteristic is none of this device')
    const [flags, low, high] = payload
    if (payload.length !== 3 || flags !== 0) throw malformed('value is not three bytes with flags of zero')
    // 5 g a digit (Weight Scale Service, 2A9D).
    const grams = (low! + high! * 256) * 5
    if (grams === 0) return { silent: 'zero' }
    return { measured: { 'body-weight': quantity(String(grams), 'g') } }
  },
})
`

/** 72.40 kg are 14,480 digits of 5 g: 3890 in hex, the low byte first. */
const capture = (id: string): string => {
  const header = {
    capture: 1,
    driver: id,
    options: {},
    link: 'ble',
    when: new Date().toISOString().slice(0, 7),
    source: 'FILL IN: invented; where the values come from, never a person',
    note: 'FILL IN: a bench weight of 72.40 kg',
  }
  return `${JSON.stringify(header)}\n${JSON.stringify({ t: 120, char: '2a9d', in: '009038' })}\n`
}

const proof = (id: string): string => `import { expect, test } from '@jest/globals'
import { unhex } from '../../src/base/bytes.ts'
import { loadDrivers } from '../../src/driver/load.ts'
import { openSession } from '../../src/driver/session.ts'
import { setUp } from '../../src/driver/setup.ts'

const { driver } = (await loadDrivers()).of('${id}')
const heard = (char: string, value: string): unknown => {
  const [outcome] = openSession(setUp(driver, {}), 0).hear(unhex(value), 0, char)
  return outcome?.heard
}

// FILL IN: every vector of the specification, each refusal and each silence; expected values from there.

test('a weight is said with its digits', () => {
  expect(heard('2a9d', '009038')).toEqual({ measured: { 'body-weight': { n: 7240, s: 2, u: 'kg' } } })
})

test('nothing on the scale is silent, and what is not understood is a fault', () => {
  expect(heard('2a9d', '000000')).toEqual({ silent: 'zero' })
  expect(heard('2a9d', '0090')).toMatchObject({ fault: 'frame.malformed' })
  expect(heard('2a35', '009038')).toMatchObject({ fault: 'frame.malformed' })
})
`

/** The files of a driver for a BLE device, by their paths. */
export const bleFiles = (id: string, name: string): Record<string, string> => ({
  [`drivers/${id}/driver.ts`]: card(name),
  [`drivers/${id}/NOTES.md`]: notes(
    name,
    'BLE. FILL IN: services, pairing, when it connects, what it must be told.',
  ),
  [`drivers/${id}/captures/weighs.jsonl`]: capture(id),
  [`drivers/${id}/captures/weighs.expect.json`]:
    '[\n  {"measured":{"body-weight":{"value":72.40,"unit":"kg"}}}\n]\n',
  [`test/drivers/${id}.test.ts`]: proof(id),
})
