import { execFile } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { until } from '../../scripts/scenario/program.ts'
import type { CommandLine } from '../../src/receiver/commands.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import { readCapture } from '../../src/transport/capture.ts'
import { addDevice, drained, openWay, type Plug, patienceMs, type WaySite } from './site.ts'
import { startWriter, type Writer } from './writer.ts'

// What an operator does from afar, with real programs: devices, settings, a capture, new keys.
jest.setTimeout(300_000)

const config = '[uplink]\nheartbeat = "1s"\n'
let site: WaySite
let plug: Plug
let writer: Writer | undefined
const box = () => site.boxes[0]!

beforeAll(async () => {
  site = await openWay({ broker: 'embedded', boxes: ['gateway'], config })
  const options = { mode: 'on-print' }
  plug = await addDevice(site, box(), { id: 'scale', driver: 'and-line', station: 'bench', options })
})
afterAll(async () => {
  writer?.stop()
  await site?.close()
})

const receiver = fileURLToPath(new URL('../../src/receiver/main.ts', import.meta.url))

/** Types a command and gives what it printed. */
const command = (...words: string[]): Promise<CommandLine> =>
  new Promise((resolve, reject) => {
    const all = [receiver, '--state', site.receiver, '--json', 'command', ...words]
    execFile(process.execPath, all, (_error, out, err) => {
      if (out === '') reject(new Error(err))
      else resolve(JSON.parse(out.split('\n')[0]!) as CommandLine)
    })
  })
const send = (...words: string[]) => command('send', box().gateway, ...words, '--by', 'anne', '--wait', '60s')

test('devices tells how each stands, and a setting is changed beside the configuration file', async () => {
  const devices = await send('devices')
  expect(devices).toMatchObject({ state: 'done', detail: { devices: 1, open: 1, 'device-1': 'scale open' } })
  const set = await send('config-set', '--arg', 'key=log.level', '--arg', 'value=debug')
  const detail = { key: 'log.level', old: 'info', new: 'debug', effect: 'now' }
  expect(set).toMatchObject({ state: 'done', by: 'anne', detail })
  expect(readFileSync(join(site.folder, 'vitalgate.toml'), 'utf8')).toBe(config)
  const own = ['--state', box().state, '--config', join(site.folder, 'vitalgate.toml')]
  const shown = await site.type('vitalgate', [...own, 'config', 'show', '--json'])
  expect(JSON.parse(shown)).toMatchObject({
    logLevel: 'debug',
    uplinkHeartbeatMs: 1000,
    fromAfar: ['log.level'],
  })
  const wrong = await send('config-set', '--arg', 'key=station.window', '--arg', 'value=9s')
  expect(wrong).toMatchObject({ state: 'failed', detail: { code: 'input.invalid', key: 'station.window' } })
})

test('a capture is recorded at the word of an operator, and is at the server what the device said', async () => {
  const began = await send('capture-start', '--arg', 'device=scale', '--arg', 'seconds=600')
  expect(began).toMatchObject({ state: 'done', detail: { device: 'scale', seconds: 600 } })
  expect((await box().status()).notices).toContainEqual('what scale says is being recorded just now')
  const before = (await box().status()).devices[0]!.readings
  writer = startWriter(plug.device, 20, () => 1)
  await until(
    '150 readings',
    patienceMs,
    async () => (await box().status()).devices[0]!.readings >= before + 150,
  )
  const { lines } = writer
  writer.stop()
  writer = undefined
  await until('everything read', patienceMs, async () => {
    const { devices } = await box().status()
    return devices[0]!.readings - before >= lines.size - 1
  })
  const ended = await send('capture-stop')
  expect(ended).toMatchObject({ state: 'done', detail: { device: 'scale', full: false } })
  expect(ended.detail.parts).toBeGreaterThan(1)
  await drained(box())
  const file = join(site.folder, 'scale.capture')
  const shown = await command('show', ended.intent.slice(0, 8), '--capture', file)
  expect(shown).toMatchObject({ intent: ended.intent, bytes: ended.detail.bytes })
  expect(statSync(file).mode & 0o777).toBe(0o600)
  const capture = await readCapture(file)
  expect(capture.header).toMatchObject({ driver: 'and-line', link: 'serial' })
  const heard = Buffer.concat(capture.lines.map(one => one.bytes)).toString('latin1')
  const whole = [...lines].map(line => `${line}\r\n`).join('')
  // the last line may have been begun only
  expect(whole.startsWith(heard)).toBe(true)
  expect(heard.length).toBeGreaterThanOrEqual(whole.length - 40)
  // nothing of it is in plain where events are kept, and a file is not written over
  const parts = site.store.all<{ detail: string }>("SELECT detail FROM events WHERE event = 'capture-part'")
  expect(parts.length).toBe(ended.detail.parts)
  expect(parts.map(one => one.detail).join()).not.toContain('raw')
  await expect(command('show', ended.intent, '--capture', file)).rejects.toThrow(/is there already/)
  await expect(command('show', shown.intent.slice(0, 4))).rejects.toThrow(/no command/)
  const other = command('show', began.intent, '--capture', `${file}.2`)
  await expect(other).rejects.toThrow(/handed up no capture/)
})

test('rotate proposes new keys, the same ones again, and the words are those of the request', async () => {
  const first = await send('rotate')
  expect(first).toMatchObject({ state: 'done', detail: { already: false } })
  const again = await send('rotate')
  expect(again).toMatchObject({ state: 'done', detail: { ...first.detail, already: true } })
  expect(String(first.detail.words).split(' ')).toHaveLength(6)
  expect(first.detail.next).not.toBe(first.detail.kid)
  expect(listFlags(site.store, {})).toEqual([])
  expect(site.crashes()).toEqual([])
})
