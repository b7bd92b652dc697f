import { randomBytes } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { DeviceState } from '../../src/control/api.ts'
import { readSettings } from '../../src/identity/settings.ts'
import type { Args } from '../../src/wire/members.ts'
import { type CommandSite, makeSite, newIntent } from './commands-fixture.ts'

let site: CommandSite
beforeEach(async () => {
  site = await makeSite()
})
afterEach(() => site.close())

const resultOf = async (intent: string) => {
  await site.until(() => site.results().some(one => one.intent === intent))
  // whoever acts a second time does so before what comes later is settled
  await site.nonce()
  return site.results().filter(one => one.intent === intent)
}

/** A dangerous command with its order. */
async function ordered(verb: string, args: Args): Promise<string> {
  const [nonce, intent] = [await site.nonce(), newIntent()]
  return site.tell({ verb, args, intent, nonce, order: site.order(intent, verb, { args }) })
}

const device = (id: string, state: DeviceState['state']): DeviceState => ({
  ...{ id, state, driver: 'and-line', port: '/dev/ttyUSB0', station: 'room-1' },
  ...{ lastReading: null, readings: 0, faults: 0 },
})

test('devices tells how many there are, and of twelve how they stand, those first that are not open', async () => {
  await site.open()
  const ids = Array.from({ length: 14 }, (_, at) => `scale-${at + 1}`)
  site.world.devices = ids.map((id, at) => device(id, at === 13 ? 'gone' : 'open'))
  const [result] = await resultOf(site.tell({ verb: 'devices', nonce: await site.nonce() }))
  expect(result).toMatchObject({ outcome: 'done' })
  expect(result!.detail).toEqual({
    ...{ devices: 14, open: 13, 'device-1': 'scale-14 gone' },
    ...Object.fromEntries(ids.slice(0, 11).map((id, at) => [`device-${at + 2}`, `${id} open`])),
  })
})

test('config-set changes a setting once, tells old and new, and whether it counts at once', async () => {
  await site.open()
  const intent = await ordered('config-set', { key: 'station.window', value: '90s' })
  const detail = { key: 'station.window', old: '3m', new: '90s', effect: 'now' }
  expect(await resultOf(intent)).toMatchObject([{ outcome: 'done', detail }])
  expect(site.applied).toMatchObject([{ stationWindowMs: 90_000 }])
  // somebody changes it back meanwhile; the same command again, in the session after a start, does nothing
  rmSync(join(site.folder, 'settings.toml'))
  await site.shut()
  await site.open()
  const nonce = await site.nonce()
  const args = { key: 'station.window', value: '90s' }
  site.tell({ verb: 'config-set', args, intent, nonce, order: site.order(intent, 'config-set', { args }) })
  await site.until(() => site.lines.some(one => one.msg === 'command' && one.state === 'ended'))
  expect([readSettings(site.folder), site.applied.length]).toEqual([{}, 1])
})

test('a value that does not fit changes nothing, and the result tells what would', async () => {
  await site.open()
  const intent = await ordered('config-set', { key: 'uplink.heartbeat', value: '2h' })
  const [result] = await resultOf(intent)
  expect(result).toMatchObject({
    outcome: 'failed',
    detail: { key: 'uplink.heartbeat', code: 'input.invalid' },
  })
  expect((result!.detail as unknown as { why: string }).why).toContain('from "1s" to "1h"')
  expect([readSettings(site.folder), site.applied]).toEqual([{}, []])
})

test('a file of settings that was damaged is told, and left as it is', async () => {
  await site.open()
  writeFileSync(join(site.folder, 'settings.toml'), 'log = ')
  const intent = await ordered('config-set', { key: 'log.level', value: 'debug' })
  expect(await resultOf(intent)).toMatchObject([{ outcome: 'failed', detail: { code: 'config.invalid' } }])
  expect(site.applied).toEqual([])
})

test('rotate proposes new keys once, and tells what the operator compares', async () => {
  await site.open()
  const intent = await ordered('rotate', {})
  expect(await resultOf(intent)).toMatchObject([
    {
      outcome: 'done',
      detail: {
        ...{ already: false, kid: '0101010101010101', next: '0202020202020202' },
        words: 'able bone cake dish echo farm',
      },
    },
  ])
  const nonce = await site.nonce()
  site.tell({ verb: 'rotate', intent, nonce, order: site.order(intent, 'rotate') })
  await site.until(() => site.lines.some(one => one.msg === 'command' && one.state === 'ended'))
  expect(site.asked).toEqual(['rotate'])
})

test('a box that cannot rotate says by which name', async () => {
  await site.open()
  site.world.unfit = true
  const intent = await ordered('rotate', {})
  expect(await resultOf(intent)).toMatchObject([
    { outcome: 'failed', detail: { code: 'identity.unprovisioned' } },
  ])
})

test('a capture is begun with an order, and handed up in parts that are the whole of it', async () => {
  await site.open()
  const began = await ordered('capture-start', { device: 'scale-1', seconds: 60 })
  expect(await resultOf(began)).toMatchObject([
    { outcome: 'done', detail: { device: 'scale-1', seconds: 60 } },
  ])
  expect(site.asked).toEqual(['scale-1 for 60 s'])
  // 2.5 parts of 4,096 bytes
  const bytes = Uint8Array.from(randomBytes(10_240))
  site.world.capture = { device: 'scale-1', bytes, full: true }
  const intent = site.tell({ verb: 'capture-stop', nonce: await site.nonce() })
  expect(await resultOf(intent)).toMatchObject([
    { outcome: 'done', detail: { device: 'scale-1', bytes: 10_240, parts: 3, full: true } },
  ])
  const parts = site.heard
    .filter(one => one.body.event === 'capture-part')
    .map(one => one.body.detail as { intent: string; part: number; parts: number; raw: string })
  expect(parts.map(one => [one.intent, one.part, one.parts])).toEqual([
    [intent, 1, 3],
    [intent, 2, 3],
    [intent, 3, 3],
  ])
  expect(parts.map(one => one.raw).join('')).toBe(Buffer.from(bytes).toString('hex'))
  expect(site.asked).toEqual(['scale-1 for 60 s', 'drop'])
})

/** Commands that are not to be obeyed, and by which name they are refused. */
const refused: [why: string, verb: string, args: Args, order: object | null][] = [
  ['input.invalid', 'devices', { all: true }, null],
  ['command.unordered', 'config-set', { key: 'log.level', value: 'debug' }, null],
  ['command.unordered', 'rotate', {}, null],
  ['command.unordered', 'capture-start', { device: 'scale-1', seconds: 60 }, null],
  ['input.invalid', 'capture-start', { device: 'scale-1', seconds: 601 }, {}],
  ['input.invalid', 'capture-stop', { device: 'scale-1' }, null],
  ['input.invalid', 'rotate', { now: true }, {}],
  ['input.invalid', 'config-set', {}, {}],
  ['input.invalid', 'config-set', { key: 'outbox.quota', value: '16MiB' }, {}],
  ['input.invalid', 'config-set', { key: 'log.level', value: 3 }, {}],
  ['command.order-foreign', 'config-set', { key: 'log.level', value: 'debug' }, { value: 'warn' }],
]

test.each(refused)('%s: %s %j', async (why, verb, args, changes) => {
  await site.open()
  const [nonce, intent] = [await site.nonce(), newIntent()]
  const order = changes === null ? null : site.order(intent, verb, { args: { ...args, ...changes } })
  site.tell({ verb, args, intent, nonce, order })
  await site.until(() => site.refusals().length > 0)
  expect(site.refusals()).toEqual([{ why, intent, count: 1 }])
  expect([site.results(), site.applied]).toEqual([[], []])
})
