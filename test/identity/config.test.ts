import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from '@jest/globals'
import type { Fault } from '../../src/base/fault.ts'
import { exitOf } from '../../src/base/output.ts'
import { parseConfig, readConfig } from '../../src/identity/config.ts'

const folder = mkdtempSync(join(tmpdir(), 'vitalgate-config-'))
afterAll(() => rmSync(folder, { recursive: true }))

const thrown = (act: () => unknown): Fault => {
  try {
    act()
  } catch (error) {
    return error as Fault
  }
  throw new Error('nothing was thrown')
}

test('an empty configuration has the documented defaults', () => {
  expect(parseConfig('timezone = "Europe/Berlin"', 'test')).toEqual({
    timezone: 'Europe/Berlin',
    logLevel: 'info',
    stationWindowMs: 180_000,
    stationClaimMs: 60_000,
    stationEndCode: 'VITALGATE-END',
    outboxQuotaBytes: 536_870_912,
    outboxGraceMs: 604_800_000,
    uplinkHeartbeatMs: 300_000,
    uplinkWindow: 128,
    controlSocket: undefined,
  })
})

test('every setting is read', () => {
  const text = `timezone = "America/New_York"
log.level = "debug"
station.window = "90s"
station.claim = "off"
outbox.quota = "1GiB"
outbox.grace = "0s"
uplink.heartbeat = "2s"
uplink.window = 1
control.socket = "/run/x.sock"`
  expect(parseConfig(text, 'test')).toEqual({
    timezone: 'America/New_York',
    logLevel: 'debug',
    stationWindowMs: 90_000,
    stationClaimMs: 0,
    stationEndCode: 'VITALGATE-END',
    outboxQuotaBytes: 1_073_741_824,
    outboxGraceMs: 0,
    uplinkHeartbeatMs: 2000,
    uplinkWindow: 1,
    controlSocket: '/run/x.sock',
  })
})

test('all problems are told at once, each with its path and the nearest name', () => {
  const text = `timezone = "Mars/Olympus"
[log]
levle = "debug"
[station]
window = 3
[outbox]
quota = "1MiB"
grace = "1y"
[uplink]
window = 0`
  const fault = thrown(() => parseConfig(text, 'test.toml'))
  expect([fault.code, exitOf(fault)]).toEqual(['config.invalid', 78])
  const [head, ...lines] = fault.message.split('\n')
  expect(head).toBe('test.toml has 6 problems')
  expect(lines.map(line => line.trim().split(': ')[0]).sort()).toEqual([
    'log.levle',
    'outbox.grace',
    'outbox.quota',
    'station.window',
    'timezone',
    'uplink.window',
  ])
  expect(fault.message).toContain('log.levle: unknown name (did you mean level?)')
  expect(fault.message).toContain('(got "1MiB")')
})

test('no configuration can name a server', () => {
  const fault = thrown(() => parseConfig('[uplink]\nserver = "mqtts://elsewhere:8883"', 'test'))
  expect(fault.code).toBe('config.invalid')
  expect(fault.hint).toContain('route alone')
})

test('broken TOML is told with its place', () => {
  expect(thrown(() => parseConfig('a = 1\nb = ', 'test')).message).toMatch(/^test: line 2, column 5: /)
})

test('a file that was named must be there', () => {
  const path = join(folder, 'none.toml')
  expect(thrown(() => readConfig(path)).code).toBe('config.invalid')
  writeFileSync(path, 'uplink.window = 7')
  expect(readConfig(path).uplinkWindow).toBe(7)
})
