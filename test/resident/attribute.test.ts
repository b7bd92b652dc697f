import { expect, test } from '@jest/globals'
import { attributor } from '../../src/resident/attribute.ts'
import { familyOf } from '../../src/resident/family.ts'

// DESIGN 10: three minutes, a claim within sixty seconds.
const rules = { windowMs: 180_000, claimMs: 60_000, endCode: 'END' }
const place = (seq: number) => ({ epoch: '00000000000000aa', seq })

test('a measurement belongs to the band that was scanned before it, until the window ends', () => {
  const residents = attributor(rules)
  residents.scan('R-1', 1_000)
  expect(residents.measure('body-weight', 180_999)).toEqual({ band: 'R-1', scannedMono: 1_000 })
  residents.scan('R-2', 200_000)
  expect(residents.measure('body-weight', 380_000)).toBeUndefined()
})

test('without a scan it is nobody’s', () => {
  expect(attributor(rules).measure('systolic', 5)).toBeUndefined()
})

test('one measurement of each kind; a blood pressure may be repeated, a weight not', () => {
  const residents = attributor(rules)
  residents.scan('R-1', 0)
  expect(residents.measure('systolic', 10)).toBeDefined()
  expect(residents.measure('systolic', 20)).toBeDefined()
  expect(residents.measure('body-weight', 30)).toBeDefined()
  expect(residents.measure('body-weight', 40)).toBeUndefined()
})

test('a new scan replaces the one before, and the end code closes it', () => {
  const residents = attributor(rules)
  residents.scan('R-1', 0)
  residents.scan('R-2', 10)
  expect(residents.measure('body-weight', 20)?.band).toBe('R-2')
  residents.scan('END', 30)
  expect(residents.measure('systolic', 40)).toBeUndefined()
  expect(residents.due()).toBeUndefined()
})

test('a scan claims an unattributed measurement from just before it, when its own window ends without one', () => {
  const residents = attributor(rules)
  expect(residents.measure('body-weight', 1_000)).toBeUndefined()
  residents.place('body-weight', 1_000, place(7))
  expect(residents.scan('R-1', 60_999)).toEqual([])
  expect(residents.due()).toBe(240_999)
  expect(residents.rest(240_998)).toEqual([])
  expect(residents.rest(240_999)).toEqual([{ ...place(7), band: 'R-1', scannedMono: 60_999 }])
  expect(residents.rest(300_000)).toEqual([])
})

test('it claims nothing of the kind that was measured inside its window', () => {
  const residents = attributor(rules)
  residents.place('body-weight', 1_000, place(7))
  residents.place('systolic', 2_000, place(8))
  residents.scan('R-1', 10_000)
  expect(residents.measure('body-weight', 20_000)?.band).toBe('R-1')
  expect(residents.scan('R-2', 30_000)).toEqual([{ ...place(8), band: 'R-1', scannedMono: 10_000 }])
})

test('it claims nothing that is older, nothing twice, and nothing at all where it is switched off', () => {
  const late = attributor(rules)
  late.place('body-weight', 1_000, place(7))
  late.scan('R-1', 61_000)
  expect(late.rest(999_999)).toEqual([])

  const once = attributor(rules)
  once.place('body-weight', 1_000, place(7))
  once.scan('R-1', 2_000)
  expect(once.scan('R-2', 3_000)).toHaveLength(1)
  expect(once.rest(999_999)).toEqual([])

  const off = attributor({ ...rules, claimMs: 0 })
  off.place('body-weight', 1_000, place(7))
  off.scan('R-1', 1_001)
  expect(off.rest(999_999)).toEqual([])
})

test('a weight that nobody scanned for inside the window of another is not claimed', () => {
  const residents = attributor(rules)
  residents.scan('R-1', 0)
  residents.measure('body-weight', 10)
  expect(residents.measure('body-weight', 20)).toBeUndefined()
  residents.place('body-weight', 20, place(9))
  residents.scan('R-2', 30)
  expect(residents.rest(999_999)).toEqual([])
})

test('a measurement is led by what the device is for, not by the pulse that comes along', () => {
  expect(familyOf(['pulse-rate', 'systolic', 'diastolic'])).toBe('systolic')
  expect(familyOf(['spo2', 'pulse-rate'])).toBe('spo2')
  expect(familyOf(['bmi', 'body-fat', 'body-weight'])).toBe('body-weight')
  expect(familyOf(['pulse-rate'])).toBe('pulse-rate')
  expect(familyOf([])).toBeUndefined()
})

test('what was measured before the scan is not of the band that was scanned after it', () => {
  const residents = attributor({ windowMs: 180_000, claimMs: 60_000, endCode: 'END' })
  residents.scan('BAND-1', 1_000_000)
  // handed over now, measured five minutes ago; and measured after the scan, handed over later
  expect(residents.measure('systolic', 1_010_000, 710_000)).toBeUndefined()
  expect(residents.measure('systolic', 1_060_000, 1_020_000)).toEqual({
    band: 'BAND-1',
    scannedMono: 1_000_000,
  })
  // a device tells whole seconds: five of them are forgiven
  expect(residents.measure('systolic', 1_060_000, 995_000)).toBeDefined()
  expect(residents.measure('systolic', 1_060_000, 994_999)).toBeUndefined()
})

test('what was kept for hours is not claimed by a scan just after it was handed over', () => {
  const residents = attributor({ windowMs: 180_000, claimMs: 60_000, endCode: 'END' })
  residents.place('systolic', 1_000_000, { epoch: 'a', seq: 7 })
  residents.scan('BAND-1', 1_060_001)
  expect(residents.rest(1_300_000)).toEqual([])
})
