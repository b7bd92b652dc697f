import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { until } from '../../scripts/scenario/program.ts'
import type { CommandLine } from '../../src/receiver/commands.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import { answers, openWay, patienceMs, typeReceiver, type WayBox, type WaySite } from './site.ts'

// Commands as an operator types them: real programs, a real broker, real keys.
jest.setTimeout(300_000)

const config = '[uplink]\nheartbeat = "1s"\n[log]\nlevel = "info"\n'
let site: WaySite
const box = (): WayBox => site.boxes[0]!

beforeAll(async () => {
  site = await openWay({ broker: 'embedded', boxes: ['gateway', 'other'], config })
})
afterAll(() => site?.close())

const receiver = fileURLToPath(new URL('../../src/receiver/main.ts', import.meta.url))

/** Types a command and gives what it printed and its exit code. */
const command = (...words: string[]): Promise<{ code: number; line: CommandLine }> =>
  new Promise((resolve, reject) => {
    const all = [receiver, '--state', site.receiver, '--json', 'command', ...words]
    execFile(process.execPath, all, (error, out, err) => {
      const code = error === null ? 0 : Number(error.code)
      if (out === '') reject(new Error(err))
      else resolve({ code, line: JSON.parse(out.split('\n')[0]!) as CommandLine })
    })
  })

const send = (...words: string[]) => command('send', box().gateway, ...words, '--by', 'anne', '--wait', '60s')

const listed = async (): Promise<CommandLine[]> =>
  (await typeReceiver(site, 'command', 'list', '--json'))
    .split('\n')
    .filter(text => text !== '')
    .map(text => JSON.parse(text) as CommandLine)

/** How often the gateway's log tells that it acted on an intent. */
const acted = (intent: string): number =>
  readFileSync(box().daemon.log, 'utf8')
    .split('\n')
    .filter(text => text.includes('"msg":"identify"') && text.includes(intent)).length

test('ping, status and identify are answered within the wait, and listed', async () => {
  const ping = await send('ping')
  expect(ping).toMatchObject({ code: 0, line: { verb: 'ping', by: 'anne', state: 'done' } })
  expect(ping.line.detail['uptime-ms']).toBeGreaterThan(0)
  const status = await send('status')
  expect(status.line).toMatchObject({ state: 'done', detail: { devices: 0, software: '0.1.0' } })
  const identify = await send('identify')
  expect(identify.line).toMatchObject({ state: 'done', detail: { devices: 0 } })
  expect(acted(identify.line.intent)).toBe(1)
  expect((await listed()).map(one => [one.verb, one.state])).toEqual([
    ['ping', 'done'],
    ['status', 'done'],
    ['identify', 'done'],
  ])
})

test('arguments that the verb does not take are not stored: exit 2', async () => {
  await expect(send('ping', '--arg', 'loud=true')).rejects.toThrow(/unknown name/)
  await expect(send('config-set', '--arg', 'key=outbox.quota', '--arg', 'value=16MiB')).rejects.toThrow(
    /must be one of log.level/,
  )
})

test('what the gateway does not take is refused by its name, and flagged', async () => {
  // the command line stores no such thing: this is a receiver that knows other verbs
  site.store.run(
    'INSERT INTO intents (intent, gateway, verb, args, actor, made, until) VALUES (?, ?, ?, ?, ?, ?, ?)',
    ...['cd'.repeat(16), box().gateway, 'ping', '{"loud":true}', 'anne', Date.now(), Date.now() + 900_000],
  )
  await until('the refusal', patienceMs, async () => (await listed()).at(-1)?.state === 'refused')
  expect((await listed()).at(-1)?.detail).toEqual({ why: 'input.invalid' })
  const flags = listFlags(site.store, { flag: 'COMMAND_REFUSED' })
  expect(flags).toMatchObject([{ gateway: box().gateway, detail: expect.stringContaining('input.invalid') }])
  expect((await box().status()).notices).toContainEqual(expect.stringContaining('input.invalid 1×'))
})

test('a gateway that is away gets its command when it is back', async () => {
  await box().daemon.end('SIGTERM')
  const asked = await command('send', box().gateway, 'ping', '--wait', '0s')
  expect([asked.code, asked.line.state]).toEqual([3, 'waiting'])
  box().daemon.start()
  await until('the answer', patienceMs, async () =>
    (await listed()).some(one => one.intent === asked.line.intent && one.state === 'done'),
  )
})

test('killed at any moment, either side: no command is acted on twice, and each ends', async () => {
  const intents: string[] = []
  for (let round = 0; round < 8; round++) {
    for (let n = 0; n < 2; n++) {
      const { line } = await command('send', box().gateway, 'identify', '--wait', '0s')
      intents.push(line.intent)
    }
    // another moment each time: while it waits, is written down, acted on, answered, receipted
    await wait(100 + Math.floor(Math.random() * 2000))
    if (round % 4 === 3) {
      await site.receiverProgram.end('SIGKILL')
      site.receiverProgram.start()
    } else {
      await box().daemon.end('SIGKILL')
      box().daemon.start()
      await until('the daemon answering', patienceMs, () => answers(box()))
    }
  }
  const states = async () =>
    (await listed()).filter(one => intents.includes(one.intent)).map(one => one.state)
  await until('every command ended', 2 * patienceMs, async () =>
    (await states()).every(state => state === 'done' || state === 'interrupted'),
  )
  expect(await states()).toHaveLength(intents.length)
  expect(intents.filter(intent => acted(intent) > 1)).toEqual([])
  const done = (await listed()).filter(one => intents.includes(one.intent) && one.state === 'done')
  expect(done.filter(one => acted(one.intent) !== 1)).toEqual([])
  // honest traffic raises no flag but the one that was asked for above
  expect(listFlags(site.store, {}).map(one => one.flag)).toEqual(['COMMAND_REFUSED'])
})

test('restart is answered, and ends the process as a signal does', async () => {
  const sent = send('restart')
  await until('the process ended', patienceMs, () => box().daemon.child.exitCode !== null)
  expect(box().daemon.child.exitCode).toBe(0)
  box().daemon.start()
  await until('the daemon answering', patienceMs, () => answers(box()))
  expect((await sent).line).toMatchObject({ verb: 'restart', state: 'done' })
})

test('wipe leaves a folder of a fresh box, after its result was receipted', async () => {
  const sent = send('wipe')
  await until('the process ended', patienceMs, () => box().daemon.child.exitCode !== null)
  expect(box().daemon.child.exitCode).toBe(0)
  expect((await sent).line).toMatchObject({ verb: 'wipe', state: 'done' })
  expect(readdirSync(box().state)).toEqual([])
  expect(existsSync(join(box().state, 'keys.sealed'))).toBe(false)
  box().daemon.start()
  await until('the daemon answering', patienceMs, () => answers(box()))
  expect((await box().status()).phase).toBe('fresh')
})
