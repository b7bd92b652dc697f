import { expect, test } from '@jest/globals'
import { loadDrivers } from '../../src/driver/load.ts'
import { setUp } from '../../src/driver/setup.ts'
import { heardBy } from './heard.ts'

const heard = await heardBy('barcode-scanner')

// GSRN of the GS1 example prefix 952; its check digit by hand: digits 95212345678901234 with the weights
// 3,1,3,… sum to 145, so 5 is missing to 150.
const gsrn = '952123456789012345'
const scanned = { scanned: gsrn }

test.each([
  [`]C18018${gsrn}`, scanned],
  [`]d28018${gsrn}\x1d8019123`, scanned],
  [`]Q38018${gsrn}`, scanned],
  [`]e08018${gsrn}`, scanned],
  [`8018${gsrn}`, scanned],
  [`]C08018${gsrn}`, scanned],
  ['\x02\x01\x12R-00417', { scanned: 'R-00417' }],
  [']C0R-00417', { scanned: 'R-00417' }],
  ['R-00417', { scanned: 'R-00417' }],
  [']C18018952123456789012346', 'frame.malformed'],
  ['8018952123456789012346', 'frame.malformed'],
  [']C180189521234567890123', 'frame.malformed'],
  [`]C18018${gsrn}8019123`, 'frame.malformed'],
  [`]C18018${gsrn}\x1d8017${gsrn}`, 'frame.malformed'],
  [`]C18018${gsrn}\x1d8018${gsrn}`, 'frame.malformed'],
  [`]C18017${gsrn}`, 'staff'],
  [`8017${gsrn}`, 'staff'],
  [']C18017952123456789012346', 'frame.malformed'],
  [']C10109521234543213', 'no-value'],
  [']C0', 'no-value'],
  [']E04006381333931', 'frame.malformed'],
  [`]UC18018${gsrn}`, 'frame.malformed'],
  [`UC18018${gsrn}`, 'frame.malformed'],
  ['R-\x0700417', 'frame.malformed'],
  [' R-00417', 'frame.malformed'],
  ['x'.repeat(65), 'frame.malformed'],
])('%s', (line, expected) => {
  expect(heard(`${line}\r\n`)).toEqual([expected])
})

test.each(['\r', '\n', '\r\n'])('a scan may end with %j', ending => {
  expect(heard(`R-00417${ending}R-00418${ending}`)).toEqual([{ scanned: 'R-00417' }, { scanned: 'R-00418' }])
})

test('where all wristbands are GS1, any other label is refused', () => {
  expect(heard(`R-00417\r]C0R-00417\r]C18018${gsrn}\r8018${gsrn}\r`, { plain: false })).toEqual([
    'frame.malformed',
    'frame.malformed',
    scanned,
    scanned,
  ])
})

test('a scanner set to "Beep on BEL" beeps once, twice or thrice; another is sent nothing', async () => {
  const { driver } = (await loadDrivers()).of('barcode-scanner')
  expect(setUp(driver, {}).feedback).toEqual({})
  expect(setUp(driver, { bell: true }).feedback).toEqual({
    attributed: '\x07',
    unattributed: '\x07\x07',
    refused: '\x07\x07\x07',
  })
})
