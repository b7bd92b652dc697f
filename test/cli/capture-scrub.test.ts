import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from '@jest/globals'
import { setupOf } from '../../src/cli/capture-decode.ts'
import { scrubCapture } from '../../src/cli/capture-scrub.ts'
import { loadDrivers } from '../../src/driver/load.ts'
import { parseCapture } from '../../src/transport/capture.ts'
import { run } from './transcript.ts'

const folder = mkdtempSync(join(tmpdir(), 'vitalgate-scrub-'))
afterAll(() => rmSync(folder, { recursive: true }))

const hexOf = (text: string): string => Buffer.from(text, 'latin1').toString('hex')

function file(name: string, ...rows: object[]): string {
  const path = join(folder, name)
  writeFileSync(path, rows.map(row => `${JSON.stringify(row)}\n`).join(''))
  return path
}

const header = {
  capture: 1,
  driver: 'omron-hbp9030',
  options: { baud: 9600 },
  link: 'serial',
  when: '2026-07-11',
  source: 'room 12, Mrs Miller',
  note: 'before breakfast',
}
const frame = '2026,07,11,09,05,00000000000000R-00417,0,131,087,066,0\r\n'.replace(
  '00000000000000R-00417',
  '       R-00417      ',
)

test('a copy without values, ids, times and free text, which decodes like its original', async () => {
  const path = file('a.jsonl', header, { t: 0, in: hexOf(frame) })
  const out = join(folder, 'a-out.jsonl')
  const {
    code,
    out: stdout,
    err,
  } = await run(['capture', 'scrub', path, '--out', out, '--note', 'cuff on a bottle'])
  expect([code, stdout, err]).toEqual([0, '', `scrubbed capture written to ${out}\n`])
  const text = readFileSync(out, 'utf8')
  const made = parseCapture(text)
  expect(made.header).toEqual({
    capture: 1,
    driver: 'omron-hbp9030',
    options: { baud: 9600 },
    link: 'serial',
    when: '2026-07',
    note: 'cuff on a bottle',
  })
  const line = Buffer.from(made.lines[0]!.bytes).toString('latin1')
  expect(line).toMatch(
    /^20\d\d,[01]\d,[0-3]\d,[0-2]\d,[0-5]\d, {7}[A-Z]-\d{5} {6},0,\d{3},\d{3},\d{3},[01]\r\n$/,
  )
  expect(line).not.toContain('R-00417')
  // one number of several may be drawn again by chance
  const [was, is] = [frame, line].map(one => one.trim().split(','))
  expect(is!.slice(0, 5)).not.toEqual(was!.slice(0, 5))
  expect(is!.slice(7, 10)).not.toEqual(was!.slice(7, 10))
  const decoded = await run(['capture', 'decode', out, '--json'])
  expect(Object.keys(JSON.parse(decoded.out))).toEqual(['measured', 'deviceTime', 'deviceId'])
})

test('with --json it tells what was done', async () => {
  const path = file('b.jsonl', header, { t: 0, in: hexOf(frame) })
  const out = join(folder, 'b-out.jsonl')
  const { code, out: stdout } = await run(['capture', 'scrub', path, '--out', out, '--json'])
  expect([code, JSON.parse(stdout)]).toEqual([0, { file: out, likeness: 'same', kept: 0 }])
})

test('what means something else afterwards is told, exit 3', async () => {
  // The barcode scanner hears one code twice within two seconds, in two forms: nothing can know that they are one.
  const rows = [']C18018952123456789012345\r\n', '8018952123456789012345\r\n']
  const path = file(
    'c.jsonl',
    { capture: 1, driver: 'barcode-scanner', link: 'serial' },
    ...rows.map((text, at) => ({ t: at * 900, in: hexOf(text) })),
  )
  const out = join(folder, 'c-out.jsonl')
  const { code, err } = await run(['capture', 'scrub', path, '--out', out])
  expect(code).toBe(3)
  expect(err).toContain('not the same of them count as in the original\n')
  expect(readFileSync(out, 'utf8')).not.toContain(hexOf('952123456789012345'))
})

test.each([
  ['no driver', { capture: 1, link: 'serial' }, 1, 'name the driver with --driver ID'],
  ['an unknown driver', { ...header, driver: 'omron' }, 1, 'no driver "omron"'],
])('a capture with %s cannot be scrubbed', async (what, first, status, told) => {
  const path = file(`${what}.jsonl`, first, { t: 0, in: '00' })
  const out = join(folder, `${what}-out.jsonl`)
  const { code, err } = await run(['capture', 'scrub', path, '--out', out])
  expect(code).toBe(status)
  expect(err).toContain(told)
  expect(() => readFileSync(out)).toThrow('ENOENT')
})

test('more than a mebibyte is refused before the work begins', async () => {
  const lines = Array.from({ length: 65 }, (_, t) => ({ t, in: '00'.repeat(16_384) }))
  const path = file('long.jsonl', header, ...lines)
  const { code, err } = await run(['capture', 'scrub', path, '--out', join(folder, 'long-out.jsonl')])
  expect(code).toBe(1)
  expect(err).toContain(
    'error: 1064960 bytes are too many to scrub, at most 1048576\nvitalgate: hint: a shorter recording',
  )
})

const drivers = await loadDrivers()
const key = new Uint8Array(32).fill(7)

test('of a BLE header, names lose their end, addresses their last half, and everything unknown goes', () => {
  const capture = parseCapture(
    `${JSON.stringify({
      capture: 1,
      driver: 'ble-blood-pressure',
      link: 'ble',
      when: '2026-07-11',
      name: 'A&D_UA-651BLE_5A3F21',
      services: [
        { uuid: '1810', characteristics: [{ uuid: '2a35', flags: ['indicate'], value: 'S/N 4711' }] },
        'Anna',
      ],
      advertisement: {
        address: '00:09:1F:5A:3F:21',
        name: 'Unknown 4711',
        rssi: -60,
        services: ['1810'],
        manufacturer: { company: 105, data: '4711' },
      },
    })}\n{"t":0,"char":"2a35","in":"00780050005d00"}\n`,
  )
  const { header: made } = scrubCapture(
    capture,
    setupOf(capture, drivers),
    { signs: drivers.of('ble-blood-pressure').driver.signs! },
    key,
  ).capture
  expect(made).toEqual({
    capture: 1,
    driver: 'ble-blood-pressure',
    link: 'ble',
    when: '2026-07',
    name: expect.stringMatching(/^A&D_UA-651BLE_\d[A-Z]\d[A-Z]\d\d$/),
    services: [{ uuid: '1810', characteristics: [{ uuid: '2a35', flags: ['indicate'] }] }],
    advertisement: {
      address: expect.stringMatching(/^00:09:1F(:[0-9A-F]{2}){3}$/),
      name: expect.stringMatching(/^Unknow[a-z] \d{4}$/),
      rssi: -60,
      services: ['1810'],
    },
  })
  expect(JSON.stringify(made)).not.toMatch(/5A3F21|5A:3F:21|4711|Anna/)
})

test('questions stay as they follow from the answers; anything else that was sent becomes noise', () => {
  const asked = (out: string) =>
    parseCapture(
      `{"capture":1,"driver":"sma-scale","link":"serial"}\n{"t":0,"out":"${out}"}\n{"t":100,"in":"${hexOf('\n 1G        72.4kg \r')}"}\n`,
    )
  const outOf = (out: string): string => {
    const capture = asked(out)
    const made = scrubCapture(capture, setupOf(capture, drivers), {}, key).capture
    return Buffer.from(made.lines[0]!.bytes).toString('hex')
  }
  expect(outOf(hexOf('\nW\r'))).toBe(hexOf('\nW\r'))
  expect(outOf(hexOf('2026-07-11 Anna'))).not.toContain(hexOf('Anna'))
})
