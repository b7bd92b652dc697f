import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { boxKey, makePair } from '../../src/wire/keys.ts'
import {
  type CommandSite,
  entryUntil,
  makeSite,
  newId,
  newIntent,
  newSigner,
  type Told,
} from './commands-fixture.ts'

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

test('ping, status and identify are done once, and each is answered by a chained result', async () => {
  await site.open()
  const nonce = await site.nonce()
  const ping = site.tell({ verb: 'ping', nonce })
  expect(await resultOf(ping)).toMatchObject([
    { outcome: 'done', detail: { 'uptime-ms': expect.any(Number) } },
  ])
  const status = site.tell({ verb: 'status', nonce })
  expect(await resultOf(status)).toMatchObject([
    { outcome: 'done', detail: { software: '0.1.0', devices: 0, 'devices-open': 0, 'clock-source': 'ntp' } },
  ])
  const identify = site.tell({ verb: 'identify', nonce })
  expect(await resultOf(identify)).toMatchObject([{ outcome: 'done', detail: { devices: 2 } }])
  expect(site.signals).toEqual(['attributed', 'attributed', 'attributed'])
  expect(site.lines.filter(one => one.msg === 'identify')).toMatchObject([{ intent: identify }])
  expect(site.link().commandsRefused().size).toBe(0)
})

test('an intent that was written down is never acted on again: in the same session, a later one, after a start', async () => {
  const once = async () => site.lines.filter(one => one.msg === 'identify')
  await site.open()
  const intent = newIntent()
  site.tell({ verb: 'identify', intent, nonce: await site.nonce() })
  site.tell({ verb: 'identify', intent })
  await resultOf(intent)
  site.tell({ verb: 'identify', intent, nonce: await site.nonce() })
  await site.until(() => site.lines.some(one => one.msg === 'command' && one.state === 'ended'))
  await site.shut()
  await site.open()
  site.tell({ verb: 'identify', intent, nonce: await site.nonce() })
  await site.until(() => site.lines.filter(one => one.state === 'ended').length === 2)
  expect(await once()).toHaveLength(1)
  // each time it is told the same, for a server that asks has lost it
  const outcomes = (await resultOf(intent)).map(one => [one.outcome, one.detail])
  expect(new Set(outcomes.map(one => JSON.stringify(one)))).toEqual(new Set(['["done",{"devices":2}]']))
})

/** Every command that is not to be obeyed, and by which name it is refused. */
const refused: Record<string, () => [Told, { stranger?: true } | undefined]> = {
  'wire.unknown-key': () => [{ verb: 'ping', key: newSigner() }, { stranger: true }],
  'wire.bad-signature': () => [
    { verb: 'ping', key: { ...newSigner(), kid: site.command.kid } },
    { stranger: true },
  ],
  'wire.wrong-audience': () => [{ verb: 'ping', aud: newId() }, { stranger: true }],
  'command.replayed': () => [{ verb: 'ping', nonce: '00'.repeat(16) }, undefined],
  'command.unknown': () => [{ verb: 'format' }, undefined],
  'command.unordered': () => [{ verb: 'restart' }, undefined],
  'input.invalid': () => [{ verb: 'ping', args: { loud: true } }, undefined],
  'command.order-unknown': () => {
    const intent = newIntent()
    return [{ verb: 'wipe', intent, order: site.order(intent, 'wipe', {}, newSigner()) }, undefined]
  },
  'command.order-late': () => {
    const intent = newIntent()
    return [{ verb: 'wipe', intent, order: site.order(intent, 'wipe', { until: 1000 }) }, undefined]
  },
}

test.each(Object.keys(refused))(
  'a command that is to be refused as %s is refused and told by that name',
  async why => {
    await site.open()
    const nonce = await site.nonce()
    const [told, hints] = refused[why]!()
    const intent = site.tell({ nonce, ...told })
    await site.until(() => site.refusals().length > 0)
    // an intent is told where the server's own key has named it
    expect(site.refusals()).toEqual([{ why, intent: hints?.stranger ? null : intent, count: 1 }])
    expect([...site.link().commandsRefused()]).toEqual([[why, 1]])
    expect([site.results(), site.left]).toEqual([[], []])
  },
)

test('the receipt key commands nothing, and a command for another gateway does not even open', async () => {
  await site.open()
  const nonce = await site.nonce()
  site.tell({ verb: 'ping', nonce, key: site.receipt })
  await site.until(() => site.refusals().length === 1)
  expect(site.refusals()[0]).toMatchObject({ why: 'wire.unknown-key' })
  site.tell({ verb: 'ping', nonce, aud: newId(), box: boxKey(makePair('x25519').secret).publicKey })
  // nobody can tell that it was a command: it counts as something that came down and was not believed
  await site.until(() => site.link().disbelieved().get('wire.wrong-audience') === 1)
  expect(site.results()).toEqual([])
})

test('a genuine command that is replayed in a later session is refused', async () => {
  await site.open()
  const nonce = await site.nonce()
  const intent = site.tell({ verb: 'identify', nonce })
  await resultOf(intent)
  await site.shut()
  await site.open()
  await site.nonce()
  site.tell({ verb: 'identify', nonce, intent: newIntent() })
  await site.until(() => site.refusals().length === 1)
  expect(site.refusals()[0]).toMatchObject({ why: 'command.replayed' })
  expect(site.lines.filter(one => one.msg === 'identify')).toHaveLength(1)
})

test('five minutes after its hello a command is late', async () => {
  await site.open({}, 60_000)
  await site.until(() => site.heard.some(one => one.type === 'ready'))
  const { nonce } = site.heard.find(one => one.type === 'hello')!.body
  const minute = 60_000
  // WIRE 7.12: less than five minutes of the steady clock; a second is left for the machine
  site.world.skewMs = 5 * minute - 1000
  const early = site.tell({ verb: 'ping', nonce: nonce! })
  await site.until(() => site.results().some(one => one.intent === early))
  site.world.skewMs = 5 * minute
  site.tell({ verb: 'ping', nonce: nonce! })
  await site.until(() => site.refusals().length === 1)
  expect(site.refusals()[0]).toMatchObject({ why: 'command.late' })
})

test('once the server entry has run out by the server’s time nothing is obeyed', async () => {
  site.world.serverTime = entryUntil
  await site.open()
  site.tell({ verb: 'ping', nonce: await site.nonce() })
  await site.until(() => site.refusals().length === 1)
  expect(site.refusals()[0]).toMatchObject({ why: 'command.expired' })
})

test('a command that comes before the welcome is refused', async () => {
  site.world.answers = false
  await site.open()
  await site.until(() => site.heard.some(one => one.type === 'hello'))
  site.tell({ verb: 'ping' })
  await site.until(() => site.link().commandsRefused().size > 0)
  expect([...site.link().commandsRefused().keys()]).toEqual(['command.replayed'])
})

test('an order is for this gateway, this intent, this verb and exactly these arguments', async () => {
  await site.open()
  const nonce = await site.nonce()
  const [intent, other] = [newIntent(), newIntent()]
  const orders = [
    site.order(intent, 'restart', { gateway: newId() }),
    site.order(other, 'restart'),
    site.order(intent, 'wipe'),
    site.order(intent, 'restart', { args: { now: true } }),
  ]
  for (const order of orders) site.tell({ verb: 'restart', intent, nonce, order })
  site.tell({ verb: 'restart', intent, nonce, args: { now: true }, order: site.order(intent, 'restart') })
  site.tell({
    verb: 'restart',
    intent,
    nonce,
    args: { now: 1 },
    order: site.order(intent, 'restart', { args: { now: true } }),
  })
  await site.until(() => site.link().commandsRefused().get('command.order-foreign') === 6)
  expect([site.left, site.results()]).toEqual([[], []])
})

test('the order of a revoked operator is refused, and any while revocations are missing', async () => {
  for (const why of ['revoked', 'behind'] as const) {
    site.world.revoked = why === 'revoked'
    site.world.behind = why === 'behind'
    await site.open()
    const intent = newIntent()
    site.tell({ verb: 'restart', intent, nonce: await site.nonce(), order: site.order(intent, 'restart') })
    await site.until(() => site.link().commandsRefused().get('command.order-revoked') === 1)
    await site.shut()
  }
  expect([site.left, site.results()]).toEqual([[], []])
})

test('a restart with its order is answered first, and then the daemon is told to leave', async () => {
  await site.open()
  const intent = newIntent()
  site.tell({ verb: 'restart', intent, nonce: await site.nonce(), order: site.order(intent, 'restart') })
  await site.until(() => site.left.length > 0)
  expect(site.left).toEqual([false])
  // it was on disk before; if it did not leave any more, it does after the start
  await site.shut()
  await site.open()
  await site.until(() => site.results().some(one => one.intent === intent))
  expect(site.results()).toMatchObject([{ intent, outcome: 'done' }])
})

test('refused commands are told at most one a minute, and none is forgotten', async () => {
  const { refusedCommands } = await import('../../src/daemon/commands-refused.ts')
  const told: object[] = []
  const timers: (() => void)[] = []
  const waits: number[] = []
  const refusals = refusedCommands(
    (ms, act) => {
      waits.push(ms)
      timers.push(act)
      return () => {}
    },
    detail => told.push(detail),
  )
  refusals.add('command.late', 'a')
  refusals.add('command.late', 'b')
  refusals.add('wire.unknown-key', null)
  refusals.add('command.late', 'c')
  expect(told).toEqual([{ why: 'command.late', intent: 'a', count: 1 }])
  timers.shift()!()
  timers.shift()!()
  timers.shift()!()
  expect(told.slice(1)).toEqual([
    { why: 'command.late', intent: 'c', count: 2 },
    { why: 'wire.unknown-key', intent: null, count: 1 },
  ])
  expect(waits).toEqual([60_000, 60_000, 60_000])
  expect(timers).toEqual([])
})
