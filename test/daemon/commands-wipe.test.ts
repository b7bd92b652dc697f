import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { openCustody } from '../../src/daemon/custody.ts'
import { type CommandSite, makeSite, newIntent } from './commands-fixture.ts'

let site: CommandSite
beforeEach(async () => {
  site = await makeSite()
})
afterEach(() => site.close())

const event = { event: 'device-removed' as const, detail: { device: 'scale-1' } }
const time = {
  wall: 1_780_000_000_000,
  source: 'ntp' as const,
  uncertainty: 5,
  boot: 'ab'.repeat(16),
  mono: 1,
}

/** Commands a wipe, with its order. */
async function wipe(): Promise<string> {
  const nonce = await site.nonce()
  const intent = newIntent()
  return site.tell({ verb: 'wipe', intent, nonce, order: site.order(intent, 'wipe') })
}

const settled = async (): Promise<number> => (await site.link().custody.stats()).queued

test('what the server does not sign for is not destroyed: the wipe fails, and readings are taken again', async () => {
  const { isShut, link } = await site.open()
  site.world.confirms = false
  await link.take({ type: 'event', time, members: event })
  const intent = await wipe()
  await site.until(() => site.results().length > 0)
  expect(site.results()).toMatchObject([{ intent, outcome: 'failed', detail: { queued: 2 } }])
  expect([site.left, isShut()]).toEqual([[], false])
})

test('a wipe sends what waits first, and destroys nothing before its result was receipted', async () => {
  const { isShut, link } = await site.open()
  await link.take({ type: 'event', time, members: event })
  while ((await settled()) > 0) await site.nonce()
  site.world.confirms = false
  const intent = await wipe()
  await site.until(() => site.results().length > 0)
  await site.nonce()
  expect(site.results()).toMatchObject([{ intent, outcome: 'done', detail: {} }])
  expect([site.left, isShut()]).toEqual([[], true])
  // the power goes: after the start nothing is taken, and it goes on where it was
  await site.shut()
  const again = await site.open()
  await site.nonce()
  expect([site.left, again.isShut()]).toEqual([[], true])
  site.world.confirms = true
  await site.until(() => site.left.length > 0)
  expect(site.left).toEqual([true])
})

test('a start after the receipt, and before anything was destroyed, destroys it', async () => {
  await site.open()
  await wipe()
  await site.until(() => site.left.length === 1)
  await site.shut()
  site.world.answers = false
  await site.open()
  await site.until(() => site.left.length === 2)
  expect(site.left).toEqual([true, true])
})

test('a command that was written down and has no result is interrupted at the next start, and not begun again', async () => {
  const intent = newIntent()
  // as a process that was killed between the two leaves it
  const custody = await openCustody({
    ...{ path: join(site.folder, 'outbox.db'), quotaBytes: 32 << 20, intakeBytes: 16 << 20, graceMs: 1000 },
    ...{ gateway: site.gateway, seed: site.seed, server: site.server, software: '0.1.0' },
    serverBox: site.serverBox.publicKey,
  })
  expect(await custody.begin({ intent, verb: 'identify', time })).toBe('fresh')
  expect(await custody.begin({ intent, verb: 'identify', time })).toBe('open')
  await custody.stop()
  await site.open()
  await site.until(() => site.results().length > 0)
  expect(site.results()).toMatchObject([{ intent, outcome: 'interrupted', detail: {} }])
  site.tell({ verb: 'identify', intent, nonce: await site.nonce() })
  await site.until(() => site.lines.some(one => one.msg === 'command' && one.state === 'ended'))
  expect(site.lines.filter(one => one.msg === 'identify')).toEqual([])
})

const form = { type: 'operator', body: 'AAAA', sig: 'A'.repeat(86) }

test('a newer server entry is used from the next connection on, which comes at once, and told in its hello', async () => {
  const { route } = site
  const asked: object[] = []
  await site.open({
    update: ({ statements }) => {
      asked.push(statements)
      const newer = { route: { ...route, entry: { ...route.entry, version: 2 } } }
      return { identity: newer as never, book: site.link().book(), taken: ['server-entry'], change: 'entry' }
    },
  })
  site.say('update', site.receipt, { nonce: await site.nonce(), statements: [form] })
  const told = () => site.heard.flatMap(one => (one.type === 'hello' ? [one.body as unknown as Told] : []))
  await site.until(() => told().some(one => one.versions.serverEntry === 2))
  expect(asked).toEqual([[form]])
  expect(site.lines.filter(one => one.msg === 'uplink' && one.state === 'connecting')).toHaveLength(2)
})

interface Told {
  versions: { serverEntry: number }
}

test('an update under another key than the receipt key is not looked at', async () => {
  let asked = 0
  await site.open({
    update: () => {
      asked++
      return { identity: {} as never, book: site.link().book(), taken: [], change: undefined }
    },
  })
  site.say('update', site.command, { nonce: await site.nonce(), statements: [form] })
  await site.until(() => site.link().disbelieved().get('wire.unknown-key') === 1)
  expect(asked).toBe(0)
})
