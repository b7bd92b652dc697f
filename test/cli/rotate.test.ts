import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { Fault } from '../../src/base/fault.ts'
import type { Handlers, Rotated } from '../../src/control/api.ts'
import { type Control, serve } from '../../src/control/serve.ts'
import { fakeHandlers, status } from '../control/handlers.ts'
import { run } from './transcript.ts'

// What `vitalgate provision rotate` says, to a daemon that answers as it is told.
const folder = mkdtempSync(join(tmpdir(), 'vitalgate-cli-rotate-'))
const config = join(folder, 'vitalgate.toml')
const proposed: Rotated = {
  already: false,
  gateway: `${'g'.repeat(25)}a`,
  kid: '0123456789abcdef',
  next: 'fedcba9876543210',
  words: ['one', 'two', 'three', 'four', 'five', 'six'],
  request: '{}\n',
}
const own: Partial<Handlers> = {}
let control: Control
beforeAll(async () => {
  const socket = join(folder, 'c.sock')
  writeFileSync(config, `control.socket = "${socket}"\n`)
  const handlers = fakeHandlers({
    rotate: body => (own.rotate ?? (async () => proposed))(body),
    status: async () => (own.status ?? (async () => status))({}),
  })
  control = await serve(socket, handlers, error => {
    throw error
  })
})
beforeEach(() => {
  for (const name of ['rotate', 'status'] as const) delete own[name]
})
afterAll(async () => {
  await control.stop()
  rmSync(folder, { recursive: true })
})
const rotate = (...words: string[]) => run(['provision', 'rotate', ...words, '--config', config])

test('it tells the keys, the six words for people, and what comes next', async () => {
  const { code, out, err } = await rotate()
  expect(code).toBe(0)
  expect(out).toBe(`gateway ${proposed.gateway}, signing key 0123456789abcdef\nproposed: fedcba9876543210\n`)
  expect(err).toContain('\n  one two three four five six\n')
  expect(err).toContain(`operator: vitalgate-receiver registry rotate ${proposed.gateway}`)
  own.rotate = async () => ({ ...proposed, already: true })
  expect((await rotate()).out).toContain('already proposed: fedcba9876543210')
})

test('with --json all of it is one line, and whether it was waited for', async () => {
  expect(JSON.parse((await rotate('--json')).out)).toEqual({ ...proposed, bound: false })
})

test('--wait ends when the box speaks under the new keys, and its server has answered', async () => {
  const shown = (kid: string, state: 'connected' | 'welcomed') => ({
    ...status,
    keys: { kid, next: null },
    uplink: { ...status.uplink, state },
  })
  const told = [
    shown(proposed.kid, 'welcomed'),
    shown(proposed.next, 'connected'),
    shown(proposed.next, 'welcomed'),
  ]
  own.status = async () => told.shift()!
  const { code, out } = await rotate('--wait', '1h')
  expect([code, told.length]).toEqual([0, 0])
  expect(out).toContain('bound: the gateway speaks under fedcba9876543210')
})

test('not bound in time is a failure that loses nothing; a duration that is none is a wrong command line', async () => {
  const late = await rotate('--wait', '1ms')
  expect([late.code, late.err]).toEqual([1, expect.stringContaining('not bound within')])
  expect(late.err).toContain('hint: nothing is lost')
  for (const words of ['soon', '8d', '-1s']) expect((await rotate(`--wait=${words}`)).code).toBe(2)
})

test('a box that is not provisioned says so', async () => {
  own.rotate = async () => {
    throw new Fault('identity.unprovisioned', 'only a provisioned box proposes new keys')
  }
  expect((await rotate()).code).toBe(11)
})
