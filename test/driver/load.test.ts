import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { none } from '../../src/driver/checks.ts'
import { loadDrivers } from '../../src/driver/load.ts'
import { setUp } from '../../src/driver/setup.ts'
import { vetted } from '../../src/driver/vet.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drivers-'))
})
afterEach(() => rm(folder, { recursive: true }))

const card = {
  name: 'Test scale',
  revision: 1,
  link: { serial: { baud: 9600 }, frame: { until: '\n' } },
  check: none,
  says: ['body-weight'],
  listen: () => () => ({ silent: 'zero' }),
}

test('the installed drivers load, each with the SHA-256 of its file', async () => {
  const drivers = await loadDrivers()
  expect(drivers.all.map(one => one.id)).toEqual(
    expect.arrayContaining(['and-line', 'barcode-scanner', 'omron-hbp9030', 'tanita-csv']),
  )
  const { hash, folder: home } = drivers.of('and-line')
  const file = await readFile(join(home, 'driver.ts'))
  expect(hash).toBe(createHash('sha256').update(file).digest('hex'))
})

test('an unknown id is a fault that names the nearest', async () => {
  const drivers = await loadDrivers()
  expect(() => drivers.of('and-lin')).toThrow(
    expect.objectContaining({ code: 'driver.unknown', hint: 'did you mean and-line?' }),
  )
  expect(() => drivers.of('zzzzzzzzzzzz')).toThrow(
    expect.objectContaining({ hint: expect.stringContaining('known drivers: and-line') }),
  )
})

test.each([
  ['an unknown kind', { ...card, says: ['body-wait'] }, 'says[0]'],
  ['an unknown member', { ...card, sayss: [] }, 'sayss: unknown name (did you mean says?)'],
  ['no revision', { ...card, revision: undefined }, 'revision'],
  ['nothing that understands', { ...card, listen: undefined }, 'listen'],
  ['a baud rate of nothing', { ...card, link: { ...card.link, serial: { baud: 0 } } }, 'link.serial.baud'],
  [
    'a framing of its own',
    { ...card, link: { ...card.link, frame: { cut: 'x' } } },
    'link.frame: is none of',
  ],
  ['no link', { ...card, link: undefined }, 'link: is missing'],
  [
    'a choice that breaks the link',
    {
      ...card,
      options: { baud: { choices: [9600, 7], default: 9600, tells: 'x' } },
      link: ({ baud }: { baud: number }) => ({ ...card.link, serial: { baud } }),
    },
    'driver test with options {"baud":7} has 1 problem',
  ],
  [
    'a default that is no choice',
    { ...card, options: { a: { choices: [1], default: 2, tells: 'x' } } },
    'options.a',
  ],
  ['nothing at all', undefined, '(whole)'],
])('a card with %s is refused', (_what, exported, problem) => {
  expect(() => vetted('test', exported)).toThrow(
    expect.objectContaining({ code: 'driver.invalid', message: expect.stringContaining(problem) }),
  )
})

test('a good card passes', () => {
  expect(vetted('test', card)).toBe(card)
})

test('a driver without a capture is refused', async () => {
  await mkdir(join(folder, 'acme-one', 'captures'), { recursive: true })
  await writeFile(join(folder, 'acme-one', 'driver.ts'), 'export default {}')
  await expect(loadDrivers(folder)).rejects.toMatchObject({
    code: 'driver.invalid',
    message: 'driver acme-one has no capture',
  })
})

test('options are checked strictly, all problems at once, and set what depends on them', async () => {
  const { driver } = (await loadDrivers()).of('and-line')
  expect(() => setUp(driver, { parity: 'both', modee: 'x', baud: '2400' }, 'options of scale-2')).toThrow(
    expect.objectContaining({
      code: 'config.invalid',
      message: [
        'options of scale-2 has 3 problems',
        '  parity: must be one of false, true, "even", "odd"',
        '  baud: must be one of 2400, 1200, 4800, 9600, 19200, 38400',
        '  modee: unknown name (did you mean mode?)',
      ].join('\n'),
    }),
  )
  expect(setUp(driver, {})).toMatchObject({ check: { name: 'none' }, link: { serial: { baud: 2400 } } })
  expect(setUp(driver, { parity: true, baud: 9600 })).toMatchObject({
    check: { name: 'parity' },
    link: { serial: { baud: 9600 } },
  })
  expect(setUp(driver, { mode: 'on-print' }).settle).toBeUndefined()
})
