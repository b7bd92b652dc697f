import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { Fault } from '../../src/base/fault.ts'
import { liveSettings } from '../../src/daemon/settings.ts'
import { type Config, parseConfig } from '../../src/identity/config.ts'
import { readSettings, settingText, settingValue, withSettings } from '../../src/identity/settings.ts'
import type { SettingName } from '../../src/wire/verbs.ts'

let state = ''
let applied: Config[] = []
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'vitalgate-settings-'))
  applied = []
})
afterEach(() => rmSync(state, { recursive: true }))

const configuration = '# set by hand\n[log]\nlevel = "warn" # less noise\n'
function live() {
  const config = join(state, 'vitalgate.toml')
  writeFileSync(config, configuration)
  return liveSettings({ state, config }, next => void applied.push(next))
}

const thrown = (act: () => unknown): Fault => {
  try {
    act()
  } catch (error) {
    return error as Fault
  }
  throw new Error('nothing was thrown')
}

test('a setting is changed beside the configuration file, which stays as it was, and given back', () => {
  const settings = live()
  expect(settings.set('log.level', 'debug')).toEqual({ old: 'warn', new: 'debug', effect: 'now' })
  expect(settings.set('station.claim', 'off')).toEqual({ old: '1m', new: 'off', effect: 'now' })
  expect(settings.set('uplink.heartbeat', '90s')).toEqual({ old: '5m', new: '90s', effect: 'restart' })
  expect(applied.map(one => [one.logLevel, one.stationClaimMs])).toEqual([
    ['debug', 60_000],
    ['debug', 0],
    ['debug', 0],
  ])
  expect(readFileSync(join(state, 'vitalgate.toml'), 'utf8')).toBe(configuration)
  expect(statSync(join(state, 'settings.toml')).mode & 0o777).toBe(0o600)
  expect(settings.set('log.level', 'unset')).toEqual({ old: 'debug', new: 'warn', effect: 'now' })
  expect(readSettings(state)).toEqual({ 'station.claim': 'off', 'uplink.heartbeat': '90s' })
  expect(withSettings(parseConfig(configuration, 'test'), readSettings(state))).toMatchObject({
    logLevel: 'warn',
    stationWindowMs: 180_000,
    stationClaimMs: 0,
    uplinkHeartbeatMs: 90_000,
  })
})

/** What docs/CLI.md does not allow. */
const wrong: [SettingName, string][] = [
  ['log.level', 'loud'],
  ['log.level', 'silent'],
  ['station.window', '9s'],
  ['station.window', '61m'],
  ['station.window', 'off'],
  ['station.claim', '11m'],
  ['uplink.heartbeat', '2h'],
  ['uplink.heartbeat', '0s'],
  ['uplink.heartbeat', '90'],
]
test.each(wrong)('%s is not set to %s, and nothing is written', (name, text) => {
  expect(thrown(() => live().set(name, text)).code).toBe('input.invalid')
  expect([readSettings(state), applied]).toEqual([{}, []])
})

test('with a configuration file that cannot be read nothing is changed', () => {
  const settings = live()
  writeFileSync(join(state, 'vitalgate.toml'), 'log = ')
  expect(thrown(() => settings.set('log.level', 'debug')).code).toBe('config.invalid')
  expect([readSettings(state), applied]).toEqual([{}, []])
})

test.each(['"log.level" = "loud"', '"log.level" = 3', '"uplink.server" = "x"', 'log = '])(
  'a file of settings that says %s is refused, and the hint tells how to go on without it',
  text => {
    writeFileSync(join(state, 'settings.toml'), text)
    const fault = thrown(() => readSettings(state))
    expect([fault.code, fault.hint]).toEqual(['config.invalid', expect.stringContaining('settings.toml')])
  },
)

test('settings are told as people write them', () => {
  const config = parseConfig('station.window = "90s"\nuplink.heartbeat = "1h"', 'test')
  const names = ['log.level', 'station.window', 'station.claim', 'uplink.heartbeat'] as const
  const told = names.map(name => settingText(config, name))
  expect(told).toEqual(['info', '90s', '1m', '1h'])
  for (const [at, name] of names.entries()) {
    expect(withSettings(config, { [name]: told[at]! })).toEqual(config)
    expect(settingValue(name, told[at]!)).toBeDefined()
  }
})
