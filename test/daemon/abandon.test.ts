import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, test } from '@jest/globals'
import { Fault } from '../../src/base/fault.ts'
import { makeLog } from '../../src/base/log.ts'
import { type AbandoningParts, abandoningOf, finishAbandoned } from '../../src/daemon/abandon.ts'
import { abandonByFile } from '../../src/daemon/abandon-order.ts'
import { provenAbandoned } from '../../src/daemon/abandon-proof.ts'
import type { Gift } from '../../src/daemon/custody-abandon.ts'
import type { Gateway } from '../../src/daemon/gateway.ts'
import { formerFolder, formerServers } from '../../src/identity/former.ts'
import { places } from '../../src/identity/places.ts'
import type { Given } from '../../src/outbox/abandon.ts'
import { verifyKey } from '../../src/wire/keys.ts'
import { signRegistry } from '../../src/wire/registry.ts'
import { publish } from '../../src/wire/statement.ts'
import { newId, newIntent, newSigner } from './commands-fixture.ts'

// Who may have what given up (WIRE 9.14), with a custody that only counts what it is asked.
const [gateway, former, locked] = [newId(), newId(), newId()]
const [operator, gone] = [newSigner(), newSigner()]
const [present, revoked] = ['11'.repeat(8), '22'.repeat(8)]
const start = 1_790_000_000_000
const minute = 60_000
const stake = { rows: 5, first: start - minute, last: start }
const none = { rows: null, first: null, last: null }

let given: Map<string, Given>
let asked: Gift[]
let dropped: string[]
let world: { serverTime: number | undefined; source: string; behind: boolean }
let parts: AbandoningParts
let box: Gateway

beforeEach(() => {
  given = new Map()
  asked = []
  dropped = []
  world = { serverTime: start, source: 'rtc', behind: false }
  const abandoner = { stake: async () => stake, given: async (intent: string) => given.get(intent) }
  const operators = new Map(
    [operator, gone].map(({ kid, publicKey }) => [
      kid,
      { name: 'anne', key: verifyKey(publicKey), revoked: kid === gone.kid },
    ]),
  )
  const link = {
    custody: { abandoner },
    book: () => ({ operators, behind: world.behind, revokedKeys: [revoked] }),
    serverTime: () => world.serverTime,
    give: async (gift: Gift) => {
      asked.push(gift)
      const { intent, what, named } = gift
      const counted = gift.what === 'key' ? stake : (gift.stake ?? none)
      given.set(intent, { intent, what, named, ...counted })
      return given.get(intent)!
    },
    take: async (draft: { members: object }) => {
      results.push(draft.members)
    },
  }
  const formers = [
    { server: former, stake: async () => stake },
    { server: locked, fault: new Fault('route.refused', 'gone') },
  ]
  parts = {
    moments: { at: () => ({ wall: start, source: world.source }) },
    link: () => link,
    formers: () => formers,
    drop: async (server: string, give: (one: unknown) => Promise<void>) => {
      await give(formers.find(one => one.server === server && 'stake' in one))
      dropped.push(server)
    },
  } as unknown as AbandoningParts
  results = []
  box = {
    ...{ link: () => link, steady: async () => {}, abandoning: abandoningOf(parts), parts },
    identity: () => ({ phase: 'provisioned', gateway }),
  } as unknown as Gateway
})
let results: object[]

const order = (change: object = {}, signer = operator) =>
  publish(
    signRegistry(
      'order',
      {
        ...{ operator: 'anne', gateway, intent: newIntent(), verb: 'abandon', args: { key: revoked } },
        ...{ made: start - minute, until: start + minute, ...change },
      },
      signer,
    ),
  )
const byFile = (form: object | string, agreed = true) =>
  abandonByFile(box)({ order: typeof form === 'string' ? form : JSON.stringify(form), agreed })

test.each([
  ['the present key', { key: present }],
  ['a key that nobody revoked', { key: '33'.repeat(8) }],
  ['a server that is no former one', { server: newId() }],
])('%s is not given up', async (_, args) => {
  await expect(byFile(order({ args }))).rejects.toMatchObject({ code: 'abandon.refused' })
  const { signal } = new AbortController()
  const give = box.abandoning.give(args as { key: string }, newIntent(), order({ args }), signal)
  await expect(give).rejects.toMatchObject({ code: 'abandon.refused' })
  expect([asked, dropped]).toEqual([[], []])
})

test.each([
  ['no JSON', '{', 'wire.malformed'],
  ['a bundle', '{"bundle":1}', 'wire.malformed'],
  ['an order of nobody known', order({}, newSigner()), 'command.order-unknown'],
  ['an operator who is revoked', order({}, gone), 'command.order-revoked'],
  ['a name that is not his', order({ operator: 'bert' }), 'command.order-unknown'],
  ['another gateway’s', order({ gateway: newId() }), 'command.order-foreign'],
  ['an order to wipe', order({ verb: 'wipe', args: {} }), 'command.order-foreign'],
  ['one that ran out', order({ until: start }), 'command.order-late'],
  ['one without a key or server', order({ args: {} }), 'input.invalid'],
  ['one that was changed', { ...order(), body: order().body }, 'wire.bad-signature'],
])('a file with %s gives up nothing', async (_, form, code) => {
  await expect(byFile(form)).rejects.toMatchObject({ code })
  expect([asked, results]).toEqual([[], []])
})

test('while revocations are missing no operator is believed', async () => {
  world.behind = true
  await expect(byFile(order())).rejects.toMatchObject({ code: 'command.order-revoked' })
})

test.each([
  ['the server’s time comes first', start - 2 * minute, 'ntp', true],
  ['without it a clock that is synchronised', undefined, 'ntp', false],
  ['a clock that nobody vouches for refuses nothing', undefined, 'rtc', true],
])('when an order runs out: %s', async (_, serverTime, source, isTaken) => {
  world = { ...world, serverTime, source }
  const form = order({ until: start - minute })
  if (isTaken) expect((await byFile(form)).state).toBe('done')
  else await expect(byFile(form)).rejects.toMatchObject({ code: 'command.order-late' })
})

test('a person is told what is lost, nothing is done before he agrees, and then once', async () => {
  const intent = newIntent()
  const form = order({ intent })
  const facts = { intent, operator: 'anne', what: 'key', id: revoked, ...stake }
  expect(await byFile(form, false)).toEqual({ state: 'asked', ...facts })
  expect([asked, results]).toEqual([[], []])
  expect(await byFile(form)).toEqual({ state: 'done', ...facts })
  expect(asked).toMatchObject([{ what: 'key', named: revoked, intent, orders: JSON.stringify(form) }])
  expect(results).toEqual([{ intent, outcome: 'done', detail: { key: revoked, rows: 5 } }])
  for (const agreed of [false, true])
    expect(await byFile(form, agreed)).toEqual({ state: 'already', ...facts })
  expect([asked.length, results.length]).toEqual([1, 1])
})

test('a former server is given up with its numbers, or without where it cannot be opened', async () => {
  expect(await byFile(order({ args: { server: former } }))).toMatchObject({ id: former, ...stake })
  expect(await byFile(order({ args: { server: locked } }), false)).toMatchObject({ id: locked, ...none })
  expect(await byFile(order({ args: { server: locked } }))).toMatchObject({ id: locked, ...none })
  expect(dropped).toEqual([former, locked])
  expect(results).toMatchObject([{ detail: { server: former, rows: 5 } }, { detail: { server: locked } }])
})

test('what could be given up is told from afar: former servers, and revoked keys with rows', async () => {
  expect(await box.abandoning.waiting()).toEqual({
    servers: [
      { server: former, rows: 5 },
      { server: locked, rows: null },
    ],
    keys: [{ key: revoked, rows: 5 }],
  })
})

test('an act that waits for its turn ends with the daemon, and begins nothing later', async () => {
  const turn = Promise.withResolvers<void>()
  let later: Promise<void> | undefined
  const waiting = abandoningOf({
    ...parts,
    drop: (_, give) => {
      later = turn.promise.then(() => give(undefined))
      return later
    },
  })
  const end = new AbortController()
  const act = waiting.give({ server: former }, newIntent(), order(), end.signal)
  await new Promise(resolve => setImmediate(resolve))
  end.abort()
  await expect(act).rejects.toMatchObject({ code: 'interrupted' })
  turn.resolve()
  await expect(later).rejects.toMatchObject({ code: 'interrupted' })
  expect(asked).toEqual([])
})

test('rows that were given up by nobody’s order are missing, whatever the file says', () => {
  const intent = newIntent()
  const book = { operators: parts.link()!.book().operators }
  const ordered = { epoch: '44'.repeat(8), kid: revoked, rows: 3, intent }
  const check = (change: object, form: object = order({ intent })) => {
    const abandoned = [{ ...ordered, orders: JSON.stringify(form), ...change }]
    const report = provenAbandoned(
      { epochs: 1, rows: 0, problems: [], more: false, abandoned },
      { gateway, kid: present, book },
    )
    return [report.problems.length, report.abandoned.length]
  }
  expect(check({})).toEqual([0, 1])
  // he was believed when he ordered it
  expect(check({}, order({ intent }, gone))).toEqual([0, 1])
  expect(check({ kid: present })).toEqual([1, 0])
  expect(check({ intent: newIntent() })).toEqual([1, 0])
  expect(check({ orders: 'none' })).toEqual([1, 0])
  expect(check({}, order({ intent }, newSigner()))).toEqual([1, 0])
  expect(check({}, order({ intent, gateway: newId() }))).toEqual([1, 0])
  expect(check({}, order({ intent, verb: 'rotate', args: {} }))).toEqual([1, 0])
  expect(check({}, order({ intent, args: { server: former } }))).toEqual([1, 0])
})

test('after a start the folder of a former route that was given up goes, and no other', async () => {
  const state = mkdtempSync(join(tmpdir(), 'vitalgate-abandon-'))
  try {
    for (const server of [former, locked]) {
      mkdirSync(formerFolder(state, server), { recursive: true })
      writeFileSync(places(formerFolder(state, server)).outbox, 'rows')
    }
    const told: string[] = []
    const custody = {
      abandoner: {
        servers: async () => [former, newId()],
        gone: async (server: string) => told.push(server),
      },
    }
    const log = makeLog('error', { write: () => {} })
    expect(await finishAbandoned(state, custody as never, log)).toBe(true)
    expect(formerServers(state)).toEqual([locked])
    // one whose folder went before the power did is done as well
    expect(told).toHaveLength(2)
    const nothing = { abandoner: { servers: async () => [] } }
    expect(await finishAbandoned(state, nothing as never, log)).toBe(false)
  } finally {
    rmSync(state, { recursive: true })
  }
})
