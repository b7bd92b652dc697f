import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { makeLog } from '../../src/base/log.ts'
import { makeWishes, wishNotices } from '../../src/daemon/wishes.ts'
import { type CommandSite, makeSite } from './commands-fixture.ts'

// What a welcome wishes (WIRE 7.2): it stops neither collecting nor sending.
let site: CommandSite
beforeEach(async () => {
  site = await makeSite()
})
afterEach(() => site.close())

const ended = (intent: string) => site.results().find(one => one.intent === intent)

test('below the lowest version a gateway obeys what only tells, and restart, and refuses the rest', async () => {
  site.world.minVersion = '0.2.0'
  await site.open()
  const nonce = await site.nonce()
  const identify = site.tell({ verb: 'identify', nonce })
  const ping = site.tell({ verb: 'ping', nonce })
  await site.until(() => ended(ping) !== undefined)
  expect(ended(ping)).toMatchObject({ outcome: 'done' })
  expect(ended(identify)).toBeUndefined()
  expect([...site.link().commandsRefused()]).toEqual([['command.outdated', 1]])
  expect(site.link().wishes()).toEqual({ held: false, outdated: '0.2.0' })
  // it goes on collecting and sending, and obeys again once less is wanted
  site.world.minVersion = '0.1.0'
  await site.until(() => site.link().wishes().outdated === undefined)
  const again = site.tell({ verb: 'identify', nonce: await site.nonce() })
  await site.until(() => ended(again) !== undefined)
  expect(ended(again)).toMatchObject({ outcome: 'done' })
})

test('a hold is known from the welcome on, and forgotten with the next that says ok', async () => {
  site.world.status = 'hold'
  await site.open()
  await site.until(() => site.link().wishes().held)
  site.world.status = 'ok'
  await site.until(() => !site.link().wishes().held)
  const words = site.lines.map(one => String(one.msg)).filter(msg => msg.endsWith('this gateway'))
  expect(words).toEqual(['the server holds this gateway', 'the server has released this gateway'])
})

test('each change is logged once, and told to people as long as it is so', () => {
  const lines: string[] = []
  const log = makeLog('info', { write: line => void lines.push(JSON.parse(line).msg) })
  const wishes = makeWishes('0.1.0', log)
  expect(wishNotices(wishes.now(), '0.1.0')).toEqual([])
  for (const minVersion of ['0.1.0', '0.3.0', '0.3.0', 'newest', '0.3.0']) {
    wishes.take({ status: 'hold', minVersion })
  }
  expect(lines).toEqual([
    'the server holds this gateway',
    'the server wants newer software',
    'the server wants newer software',
  ])
  const [held, outdated] = wishNotices(wishes.now(), '0.1.0')
  expect(held).toContain('the server holds this gateway')
  expect(outdated).toContain('the server wants 0.3.0 or newer')
})
