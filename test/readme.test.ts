import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from '@jest/globals'
import { type Loaded, loadDrivers } from '../src/driver/load.ts'
import { eachChoice } from '../src/driver/options.ts'
import { setUp } from '../src/driver/setup.ts'

// The table of devices in the README says what the cards say. After a change of a card:
// VITALGATE_WRITE=1 npm test -- test/readme.test.ts

const path = new URL('../README.md', import.meta.url)
const [begin, end] = [
  '<!-- devices: printed from the cards by test/readme.test.ts -->',
  '<!-- end of devices -->',
]

/** Guards in words: of the card as it stands, then those that an option brings. */
function guardOf({ driver }: Loaded): string {
  const [usual, ...others] = [
    ...new Set([{}, ...eachChoice(driver.options ?? {})].map(options => setUp(driver, options).check.name)),
  ]
  return others.length === 0 ? usual! : `${usual}, by option ${others.join(', ')}`
}

function linkOf({ driver }: Loaded): string {
  const { link } = setUp(driver, {})
  if ('serial' in link) return driver.talk === undefined ? 'serial' : 'serial, asked'
  return link.ble.bond ? 'BLE, paired' : 'BLE'
}

function rowOf(loaded: Loaded): string {
  const { id, driver } = loaded
  const known = (driver.signs ?? []).map(({ model }) => model).filter(model => !driver.name.includes(model))
  const devices = [driver.name, ...new Set(known)].join('; ')
  const says = driver.says.length === 0 ? 'wristbands' : driver.says.join(', ')
  const mark = driver.experimental === true ? ' *' : ''
  return `| [${id}](drivers/${id}/NOTES.md)${mark} | ${devices} | ${linkOf(loaded)} | ${guardOf(loaded)} | ${says} |`
}

test('the table of devices in the README is that of the cards', async () => {
  const { all } = await loadDrivers()
  const table = [
    begin,
    '',
    '| driver | devices | link | guard | measures |',
    '|---|---|---|---|---|',
    ...all.map(rowOf),
    '',
    '\\* experimental: no bytes of a real device stand behind it yet; its readings are noted.',
    '',
    end,
  ].join('\n')
  const readme = readFileSync(path, 'utf8')
  const [before, rest = ''] = readme.split(begin)
  const [, after = ''] = rest.split(end)
  const right = `${before}${table}${after}`
  if (process.env.VITALGATE_WRITE === '1') writeFileSync(path, right)
  expect(readFileSync(path, 'utf8')).toBe(right)
})
