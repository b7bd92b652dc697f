import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { exitOf } from '../../src/base/output.ts'
import { captureCommand } from '../../src/cli/capture.ts'
import { driversCommand } from '../../src/cli/drivers.ts'
import { openPty } from '../fakes/pty.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cli-capture-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** A capture in a file: each chunk is a text, two minutes apart. */
async function file(name: string, header: object, chunks: readonly string[]): Promise<string> {
  const lines = chunks.map((text, at) => ({
    t: at * 120_000,
    in: Buffer.from(text, 'latin1').toString('hex'),
  }))
  const path = join(folder, `${name}.jsonl`)
  const all = [{ capture: 1, link: 'serial', ...header }, ...lines]
  await writeFile(path, all.map(line => `${JSON.stringify(line)}\n`).join(''))
  return path
}

/** What a command prints on stdout. */
async function printed(run: () => Promise<unknown>): Promise<string> {
  let text = ''
  const write = jest.spyOn(process.stdout, 'write').mockImplementation(part => {
    text += String(part)
    return true
  })
  try {
    await run()
  } finally {
    write.mockRestore()
  }
  return text
}
const capture = (...words: string[]): Promise<string> =>
  printed(() => captureCommand().exitOverride().parseAsync(words, { from: 'user' }))

const prints = { driver: 'and-line', options: { mode: 'on-print' } }

test('decode prints what counts and what failed, one JSON object per line, with all digits', async () => {
  const path = await file('a', prints, ['ST,GS,+0072.40kg\r\n', 'ST,TR,+0002.00kg\r\n', 'ST,GS,+0072.40\r\n'])
  expect(await capture('decode', path, '--json')).toBe(
    '{"measured":{"body-weight":{"value":72.40,"unit":"kg"}}}\n' +
      '{"fault":"frame.malformed","why":"weight has no unit"}\n',
  )
})

test('decode --frames prints every frame, before weigh-once', async () => {
  const path = await file('b', { driver: 'and-line' }, ['ST,GS,+0072.40kg\r\nUS,GS,+0072.40kg\r\n'])
  expect(await capture('decode', path, '--frames', '--json')).toBe(
    '{"frame":"53542c47532c2b303037322e34306b670d0a","measured":{"body-weight":{"value":72.40,"unit":"kg"}}}\n' +
      '{"frame":"55532c47532c2b303037322e34306b670d0a","silent":"unstable"}\n',
  )
  expect(await capture('decode', path, '--json')).toBe('')
})

test('decode prints device time, device id and scans', async () => {
  const omron = await file('c', { driver: 'omron-hbp9030' }, [
    '2026,07,11,09,05,12345678901234567890,0,120,080,072,0\r\n',
  ])
  expect(await capture('decode', omron, '--json')).toBe(
    '{"measured":{"systolic":{"value":120,"unit":"mm[Hg]"},"diastolic":{"value":80,"unit":"mm[Hg]"},' +
      '"pulse-rate":{"value":72,"unit":"/min"}},"deviceTime":"2026-07-11T09:05","deviceId":"12345678901234567890"}\n',
  )
  const scan = await file('d', { driver: 'barcode-scanner' }, [']C0R-00417\r\n'])
  expect(await capture('decode', scan, '--json')).toBe('{"scanned":"R-00417"}\n')
})

test('the command line decides about driver and options', async () => {
  const path = await file('e', { driver: 'tanita-csv', options: { checksum: false } }, [
    'ST,GS,+0072,40kg\r\n',
  ])
  const options = ['--option', 'mode=on-print', '--option', 'decimalComma=true']
  expect(await capture('decode', path, '--driver', 'and-line', ...options, '--json')).toBe(
    '{"measured":{"body-weight":{"value":72.40,"unit":"kg"}}}\n',
  )
  const own = await file('f', prints, ['ST,GS,+0072,40kg\r\n'])
  expect(await capture('decode', own, '--option', 'decimalComma=true', '--json')).toContain('72.40')
})

test('decode without --json is a table for people', async () => {
  const path = await file('g', prints, ['ST,GS,+0072.40kg\r\n', 'ST,GS,+0072.40\r\n'])
  expect(await capture('decode', path)).toBe(
    'SECONDS  SAID\n0.000    body-weight 72.40 kg\n120.000  frame.malformed: weight has no unit\n',
  )
})

test.each([
  ['a missing file', (): string => '/nonexistent.jsonl', [], 'file.missing', 1],
  ['what is no capture', (): Promise<string> => file('h', { capture: 3 }, []), [], 'capture.invalid', 1],
  ['no driver', (): Promise<string> => file('i', {}, []), [], 'capture.invalid', 1],
  [
    'an unknown driver',
    (): Promise<string> => file('j', prints, []),
    ['--driver', 'and-lin'],
    'driver.unknown',
    1,
  ],
  [
    'a wrong option',
    (): Promise<string> => file('k', prints, []),
    ['--option', 'mode=sometimes'],
    'usage',
    2,
  ],
  ['an option without value', (): Promise<string> => file('l', prints, []), ['--option', 'mode'], 'usage', 2],
  [
    'wrong options in the file',
    (): Promise<string> => file('m', { driver: 'and-line', options: { a: 1 } }, []),
    [],
    'capture.invalid',
    1,
  ],
  [
    'another link',
    (): Promise<string> => file('n', { driver: 'and-line', link: 'ble' }, []),
    [],
    'capture.invalid',
    1,
  ],
] as const)('decode of %s is a fault', async (_what, path, words, code, status) => {
  const fault = await capture('decode', await path(), ...words).then(undefined, (error: unknown) => error)
  expect(fault).toMatchObject({ code })
  expect(exitOf(fault)).toBe(status)
})

test('show tells header and bytes, row by row, and what the driver hears; with --json it is the capture again', async () => {
  const path = await file('o', prints, ['ST,GS,+0072.40kg\r\nST,', 'GS\r\n'])
  expect(await capture('show', path)).toBe(
    'capture: 1\ndriver: and-line\noptions: {"mode":"on-print"}\nlink: serial\n' +
      'SECONDS  WAY  HEX                                              TEXT              MEANING\n' +
      '0.000    in   53 54 2c 47 53 2c 2b 30 30 37 32 2e 34 30 6b 67  ST,GS,+0072.40kg  body-weight 72.40 kg (counts)\n' +
      '              0d 0a                                            ..\n' +
      '0.000    in   53 54 2c                                         ST,\n' +
      '1.000                                                                            frame.malformed: frame is not whole\n' +
      '120.000  in   47 53 0d 0a                                      GS..              frame.malformed: frame does not fit its pattern\n',
  )
  const own = await file('o2', prints, ['ST,GS\r\n'])
  expect(await capture('show', own, '--json')).toBe(
    '{"capture":1,"driver":"and-line","options":{"mode":"on-print"},"link":"serial"}\n{"t":0,"in":"53542c47530d0a"}\n',
  )
})

/** A capture of a cuff over BLE: Bluetooth SIG Blood Pressure Service, 120/80, mean 93, no time, no pulse. */
async function cuff(name: string): Promise<string> {
  const path = join(folder, `${name}.jsonl`)
  const lines = [
    { capture: 1, driver: 'ble-blood-pressure', link: 'ble' },
    { t: 10, char: '2a35', in: '00780050005d00' },
    { t: 20, char: '2a35', out: '00' },
    { t: 30, char: '2a35', in: '' },
  ]
  await writeFile(path, lines.map(line => `${JSON.stringify(line)}\n`).join(''))
  return path
}

test('show and decode --frames name the characteristic of a BLE value, an empty one too', async () => {
  const path = await cuff('ble')
  const shown = (await capture('show', path)).split('\n').slice(3)
  expect(shown[0]).toMatch(/^SECONDS +WAY +CHAR +HEX +TEXT +MEANING$/)
  expect(shown[1]).toMatch(
    /^0\.010 +in +2a35 +00 78 00 50 00 5d 00 +\.x\.P\.\]\. +systolic 120 mmHg, diastolic 80 mmHg/,
  )
  expect(shown[2]).toMatch(/^0\.020 +out +2a35 +00 +\.$/)
  expect(shown[3]).toMatch(/^0\.030 +in +2a35 +frame\.malformed: /)
  const frames = await capture('decode', '--frames', path)
  expect(frames).toMatch(
    /^SECONDS +CHAR +FRAME +COUNTS +MEANING\n0\.010 +2a35 +00780050005d00 +yes +systolic 120 mmHg/,
  )
})

test('a capture whose driver is not installed, or whose options do not fit, is shown without meanings', async () => {
  const unknown = await file('s', { driver: 'acme' }, ['x\r\n'])
  expect(await capture('show', unknown)).toMatch(/TEXT\n0\.000 +in +78 0d 0a +x\.\.\n$/)
  const wrong = await file('t', { driver: 'and-line', options: { mode: 'never' } }, ['x\r\n'])
  expect(await capture('show', wrong)).toMatch(/TEXT\n0\.000 +in +78 0d 0a +x\.\.\n$/)
})

test('replay into the driver prints what counts as it comes, in the time of the capture', async () => {
  const path = await file('u', prints, ['ST,GS,+0072.40kg\r\n', 'ST,GS,+0058.60\r\n'])
  expect(await capture('replay', path, '--to', 'driver', '--speed', 'max')).toBe(
    '    0.000  body-weight 72.40 kg\n  120.000  frame.malformed: weight has no unit\n',
  )
  expect(await capture('replay', path, '--to', 'driver', '--speed', '100000', '--json')).toBe(
    '{"measured":{"body-weight":{"value":72.40,"unit":"kg"}}}\n{"fault":"frame.malformed","why":"weight has no unit"}\n',
  )
  const ble = await cuff('ble-2')
  expect(await capture('replay', ble, '--to', 'driver', '--speed', 'max')).toContain(
    '0.010  systolic 120 mmHg',
  )
})

test.each([
  [
    'a BLE capture into a port',
    (): Promise<string> => cuff('ble-3'),
    ['--to', '/dev/ttyS9'],
    'capture.invalid',
    '--to driver',
  ],
  [
    'a speed of a port for a driver',
    (): Promise<string> => file('v', prints, ['x']),
    ['--to', 'driver', '--baud', '9600'],
    'usage',
    undefined,
  ],
  [
    'an endless loop without rest',
    (): Promise<string> => file('w', prints, ['x']),
    ['--to', 'driver', '--loop', '--speed', 'max'],
    'usage',
    undefined,
  ],
  [
    'a driver for a port',
    (): Promise<string> => file('x', prints, ['x']),
    ['--to', '/dev/ttyS9', '--driver', 'and-line'],
    'usage',
    undefined,
  ],
] as const)('replay of %s is a fault', async (_what, path, words, code, hint) => {
  const fault = await capture('replay', await path(), ...words).then(undefined, (error: unknown) => error)
  expect(fault).toMatchObject({ code, ...(hint !== undefined && { hint: expect.stringContaining(hint) }) })
})

test('replay plays into a real pty', async () => {
  const path = await file('p', prints, ['ST,GS,+0072.40kg\r\n', 'ST,GS,+0058.60kg\r\n'])
  const pty = await openPty()
  try {
    await capture('replay', path, '--to', pty.path, '--speed', 'max')
    expect(await pty.read(36)).toBe('ST,GS,+0072.40kg\r\nST,GS,+0058.60kg\r\n')
  } finally {
    pty.kill()
  }
})

test('replay into a port that is not there is a fault', async () => {
  const path = await file('q', prints, ['ST,GS,+0072.40kg\r\n'])
  await expect(capture('replay', path, '--to', join(folder, 'tty'))).rejects.toMatchObject({
    code: 'port.missing',
  })
  const empty = await file('r', prints, [])
  await expect(capture('replay', empty, '--to', join(folder, 'tty'))).rejects.toMatchObject({
    code: 'capture.invalid',
  })
})

test('drivers lists each with link, guard, kinds and options', async () => {
  const list = (...words: string[]): Promise<string> =>
    printed(() => driversCommand().exitOverride().parseAsync(words, { from: 'user' }))
  const rows = (await list('--json'))
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as { id: string })
  expect(rows.find(row => row.id === 'and-line')).toMatchObject({
    link: { kind: 'serial', baud: 2400 },
    guard: 'none',
    otherGuards: ['parity'],
    kinds: ['body-weight'],
    experimental: false,
    hash: expect.stringMatching(/^[0-9a-f]{64}$/),
  })
  expect(await list()).toContain('tanita-csv')
})
