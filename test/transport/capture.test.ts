import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { unhex } from '../../src/base/bytes.ts'
import { captureLimit, parseCapture, readCapture } from '../../src/transport/capture.ts'
import type { Port, PortEvents } from '../../src/transport/port.ts'
import { recorded, recorder } from '../../src/transport/recorder.ts'

const header = '{"capture":1,"driver":"and-line","options":{},"link":"serial","when":"2026-01-15"}'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'capture-'))
})
afterAll(() => rm(folder, { recursive: true }))

test('chunks come back exactly as they came', () => {
  const text = `${header}\n{"t":0,"in":"5354"}\n{"t":410,"out":"3F"}\n{"t":410.5,"char":"2a35","in":"00"}\n`
  expect(parseCapture(text)).toEqual({
    header: { capture: 1, driver: 'and-line', options: {}, link: 'serial', when: '2026-01-15' },
    lines: [
      { t: 0, way: 'in', bytes: unhex('5354') },
      { t: 410, way: 'out', bytes: unhex('3f') },
      { t: 410.5, way: 'in', bytes: unhex('00'), char: '2a35' },
    ],
  })
})

test.each([
  ['no JSON', 'hello', 'line 1 is not JSON'],
  ['another version', '{"capture":2,"link":"serial"}', 'capture: must be 1'],
  [
    'an unknown member',
    '{"capture":1,"link":"serial","notes":"x"}',
    'notes: unknown name (did you mean note?)',
  ],
  ['an unknown link', '{"capture":1,"link":"usb"}', 'link:'],
  ['a line that is no JSON', `${header}\n{"t":0,`, 'line 2 is not JSON'],
  ['half a byte', `${header}\n{"t":0,"in":"535"}`, 'in: must be bytes in hex'],
  ['nothing at all', `${header}\n{"t":0,"in":""}`, 'must have at least one byte'],
  ['both ways at once', `${header}\n{"t":0,"in":"53","out":"53"}`, 'must have either in or out'],
  ['neither', `${header}\n{"t":0}`, 'must have either in or out'],
  ['a time before the last', `${header}\n{"t":9,"in":"53"}\n{"t":8,"in":"53"}`, 'line 3 is earlier'],
  ['a negative time', `${header}\n{"t":-1,"in":"53"}`, 't:'],
  ['an empty line inside', `${header}\n\n{"t":0,"in":"53"}`, 'line 2 is not JSON'],
  ['a line of more than 64 KiB', `${header}\n{"t":0,"in":"${'53'.repeat(32768)}"}`, 'longer than 64 KiB'],
])('%s is refused with its place', (_what, text, message) => {
  expect(() => parseCapture(text)).toThrow(
    expect.objectContaining({ code: 'capture.invalid', message: expect.stringContaining(message) }),
  )
})

test('a file that is missing, a folder, too large, or not UTF-8', async () => {
  const path = join(folder, 'a.jsonl')
  await expect(readCapture(path)).rejects.toMatchObject({
    code: 'file.missing',
    message: `no such file: ${path}`,
  })
  await expect(readCapture(folder)).rejects.toMatchObject({ code: 'file.unreadable' })
  await writeFile(path, '')
  await truncate(path, captureLimit + 1)
  await expect(readCapture(path)).rejects.toMatchObject({
    code: 'capture.invalid',
    message: `${path} is larger than 64 MiB`,
  })
  await writeFile(path, Buffer.from([0xff, 0xfe]))
  await expect(readCapture(path)).rejects.toMatchObject({ code: 'capture.invalid' })
})

test('a recorded port notes both ways and passes both on', async () => {
  let text = ''
  let inner: PortEvents | undefined
  const written: Uint8Array[] = []
  const port: Port = {
    name: 'p',
    state: () => 'open',
    open: events => {
      inner = events
    },
    write: async bytes => void written.push(bytes),
    close: async () => {},
  }
  const clock = { now: () => 0, mono: () => 1250 }
  const notes = recorder({ capture: 1, driver: 'x', link: 'serial' }, part => (text += part), 1000)
  const chunks: unknown[] = []
  const both = recorded(port, notes, clock)
  both.open({ chunk: (bytes, mono) => chunks.push([bytes, mono]), back: () => {}, gone: () => {} })
  inner!.chunk(unhex('5354'), 1100)
  await both.write(unhex('3f'))
  expect(chunks).toEqual([[unhex('5354'), 1100]])
  expect(written).toEqual([unhex('3f')])
  expect(text).toBe(
    '{"capture":1,"driver":"x","link":"serial"}\n{"t":100,"in":"5354"}\n{"t":250,"out":"3f"}\n',
  )
})

test('a value over BLE keeps its characteristic, and may be empty', () => {
  let text = ''
  const notes = recorder({ capture: 1, link: 'ble' }, part => (text += part), 0)
  notes.note('in', unhex('16'), 5, '2a35')
  notes.note('in', unhex(''), 6, '2a35')
  notes.note('in', unhex(''), 7)
  expect(text).toBe(
    '{"capture":1,"link":"ble"}\n{"t":5,"char":"2a35","in":"16"}\n{"t":6,"char":"2a35","in":""}\n',
  )
  expect(parseCapture(text).lines[1]).toEqual({ t: 6, way: 'in', bytes: unhex(''), char: '2a35' })
})

test('a long chunk is several lines that can be read again', () => {
  let text = ''
  const notes = recorder({ capture: 1, link: 'serial' }, part => (text += part), 0)
  notes.note('in', new Uint8Array(40_000), 5)
  expect(parseCapture(text).lines.map(line => line.bytes.length)).toEqual([16384, 16384, 7232])
})

test('a recording stops before it could not be read again', () => {
  let length = 0
  const notes = recorder({ capture: 1, link: 'serial' }, part => (length += part.length), 0)
  const chunk = new Uint8Array(1024 * 1024)
  for (let second = 0; second < 40; second++) notes.note('in', chunk, second * 1000)
  expect(notes.full()).toBe(true)
  expect(length).toBeLessThanOrEqual(captureLimit)
})
