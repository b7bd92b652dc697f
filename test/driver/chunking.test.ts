import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { concat } from '../../src/base/bytes.ts'
import { loadDrivers } from '../../src/driver/load.ts'
import { openSession } from '../../src/driver/session.ts'
import { setUp } from '../../src/driver/setup.ts'

/** A value of a BLE characteristic comes whole: there are no chunks to be cut. */
const serial = (await loadDrivers()).all.filter(({ driver }) => 'serial' in setUp(driver, {}).link)

/** Bytes that are likely to meet a mark: the drivers' own letters, endings, and anything else. */
const byte = fc.oneof(
  fc.constantFrom(...Array.from('ST,GSUOL+07.kg\r\n{0,16WkCS]C1801', letter => letter.charCodeAt(0))),
  fc.integer({ min: 0, max: 255 }),
)
const chunk = fc.array(byte, { maxLength: 200 }).map(bytes => Uint8Array.from(bytes))

test.each(serial.map(({ id, driver }) => [id, driver] as const))(
  '%s: any bytes give outcomes, the same in whatever chunks they come, and no byte twice',
  (_id, driver) => {
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 8 }), chunks => {
        const setup = setUp(driver, {})
        const parted = openSession(setup, 0)
        const inParts = [...chunks.flatMap(bytes => parted.hear(bytes, 0)), ...parted.end(0)]
        const whole = openSession(setup, 0)
        const atOnce = [...whole.hear(concat(...chunks), 0), ...whole.end(0)]
        expect(inParts).toEqual(atOnce)
        const framed = inParts.reduce((sum, one) => sum + one.frame.length, 0)
        expect(framed).toBeLessThanOrEqual(concat(...chunks).length)
      }),
      { numRuns: 200 },
    )
  },
)
