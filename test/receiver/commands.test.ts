import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { base64url, hex } from '../../src/base/bytes.ts'
import { makeCommander } from '../../src/receiver/command-dispatch.ts'
import { commandLine, listIntents, readIntent, storeIntent } from '../../src/receiver/commands.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import type { Outgoing } from '../../src/receiver/receipts.ts'
import { makeReceive, type Receive } from '../../src/receiver/receive.ts'
import { openRegistry, type Registry } from '../../src/receiver/registry.ts'
import { insertStatement } from '../../src/receiver/registry-rows.ts'
import { ownLock, paths, readSigner } from '../../src/receiver/state.ts'
import { openStore, type Store } from '../../src/receiver/store.ts'
import { headZero, nextHead } from '../../src/wire/chain.ts'
import { noEpoch, open, pack } from '../../src/wire/envelope.ts'
import { boxPublic, makePair, type SigningKey, signingKey, verifyKey } from '../../src/wire/keys.ts'
import { type SealedType, saidFrom, signAndSeal } from '../../src/wire/message.ts'
import { signRegistry, verifyRegistry } from '../../src/wire/registry.ts'
import type { CommandBody, UpdateBody, Versions, WelcomeBody } from '../../src/wire/session.ts'
import { seenHash } from '../../src/wire/session.ts'
import { type Statement, statementHash, unpublish } from '../../src/wire/statement.ts'
import { topics } from '../../src/wire/topics.ts'
import { gateway, standing, time } from './fixture.ts'
import { enrolled, silent } from './listen-fixture.ts'

// A real registry and store; the gateway is played by its keys.
let state = ''
let store: Store
let registry: Registry
let receive: Receive
let clock: ReturnType<typeof standing>
beforeEach(async () => {
  state = mkdtempSync(join(tmpdir(), 'vitalgate-commands-'))
  await enrolled(state)
  store = openStore(paths(state).database)
  registry = openRegistry(state, store.db)
  clock = standing()
  receive = worker(store)
})
afterEach(() => {
  store.close()
  rmSync(state, { recursive: true })
})

const worker = (on: Store): Receive =>
  makeReceive({
    store: on,
    trust: registry,
    clock,
    log: silent,
    commander: makeCommander(on, registry, silent),
  })

const up = (type: SealedType, members: object, place = { epoch: noEpoch, seq: 0 }) => {
  const { id, box } = registry.server
  const to = { id, box: boxPublic(box.publicKey) }
  const sealed = signAndSeal(type, { id: gateway.id, key: gateway.key }, to, members)
  const payload = pack({ ...place, envelope: sealed.envelope })
  return { ...sealed, message: { topic: topics(id, gateway.id).up, payload } }
}

type Down =
  | { type: 'welcome'; body: WelcomeBody; statement: Statement }
  | { type: 'update'; body: UpdateBody; statement: Statement }
  | { type: 'command'; body: CommandBody; statement: Statement }

/** What goes down, opened and verified as the gateway does: each type under the key that it belongs to. */
const read = (out: readonly Outgoing[]): Down[] =>
  out.flatMap(one => {
    const statement = open(one.payload, gateway.box)
    if (statement.type === 'receipt') return []
    const { id, receipt, command } = registry.server
    const key = verifyKey((statement.type === 'command' ? command : receipt).publicKey)
    const expected = { iss: id, key, aud: gateway.id, box: gateway.box }
    return [saidFrom(statement, ['welcome', 'update', 'command'], expected) as Down]
  })

const current: Versions = { binding: 1, serverEntry: 1, devices: 0, revocations: 0 }
let hellos = 0

/** A hello of the gateway; gives what came down, and the ready that belongs to it. */
function hello(versions: Versions = current, on = receive) {
  const nonce = (++hellos).toString(16).padStart(32, '0')
  const members = { nonce, boot: 'b'.repeat(32), epochs: [], token: 0, software: '0.1.0' }
  const said = up('hello', { ...members, drivers: 'd'.repeat(64), clock: time(), versions })
  const [welcome, ...others] = read(on([said.message]))
  if (welcome?.type !== 'welcome') throw new Error('no welcome')
  const { serverNonce, token } = welcome.body
  const seen = seenHash(said.statement, welcome.statement)
  return { nonce, others, again: said.message, ready: up('ready', { serverNonce, token, seen }).message }
}

const want = (verb: 'ping' | 'restart', args = {}) =>
  storeIntent(state, store, registry, { gateway: gateway.id, verb, args, actor: 'anne', now: clock.at })
const stateOf = (intent: string) => commandLine(readIntent(store, intent)!, clock.at).state
const commands = (out: readonly Outgoing[]) =>
  read(out).flatMap(one => (one.type === 'command' ? [one.body] : []))

/** A chained statement in an epoch of its own, as its second row. */
function chained(type: 'result' | 'event', members: object) {
  const epoch = (++hellos).toString(16).padStart(16, '0')
  const zero = headZero(epoch, { gateway: gateway.id, server: registry.server.id, kid: gateway.key.kid })
  const opening = { before: null, why: 'start', software: '0.1.0' }
  const first = up('epoch-open', { epoch, seq: 1, prev: zero, time: time(), ...opening }, { epoch, seq: 1 })
  const prev = nextHead(zero, first.envelope)
  const second = up(type, { epoch, seq: 2, prev, time: time(), ...members }, { epoch, seq: 2 })
  return receive([first.message, second.message])
}
const result = (intent: string, outcome: string, detail = {}) =>
  chained('result', { intent, outcome, detail })

test('a command waits for the ready of its gateway, names the nonce of that hello, and is sent once a session', () => {
  const intent = want('ping')
  expect(stateOf(intent)).toBe('waiting')
  const { nonce, others, ready } = hello()
  expect(others).toEqual([])
  expect(commands(receive([ready]))).toEqual([
    expect.objectContaining({ nonce, intent, verb: 'ping', args: {}, order: null }),
  ])
  expect(stateOf(intent)).toBe('sent')
  expect(commands(receive([ready]))).toEqual([])
  const later = hello()
  expect(commands(receive([later.ready]))).toMatchObject([{ nonce: later.nonce, intent }])
  // the ready of the session before comes late: what was sent in a later one is not sent again
  expect(commands(receive([ready]))).toEqual([])
})

test('two workers send it once between them', () => {
  const second = openStore(paths(state).database)
  want('ping')
  const { ready } = hello()
  const sent = [...commands(worker(second)([ready])), ...commands(receive([ready]))]
  second.close()
  expect(sent).toHaveLength(1)
})

test('a ready that does not match its session is answered with no command', () => {
  want('ping')
  hello()
  const wrong = up('ready', { serverNonce: '0'.repeat(32), token: 1, seen: '0'.repeat(64) })
  expect(receive([wrong.message])).toEqual([])
})

test.each(['done', 'failed', 'interrupted'])(
  'a result that says %s closes it, the first one for good',
  outcome => {
    const intent = want('ping')
    receive([hello().ready])
    result(intent, outcome, { 'uptime-ms': 5 })
    expect(commandLine(readIntent(store, intent)!, clock.at)).toMatchObject({
      ...{ state: outcome, detail: { 'uptime-ms': 5 }, by: 'anne', ended: '2026-07-11T09:05:00.000Z' },
    })
    result(intent, outcome === 'done' ? 'failed' : 'done')
    expect(stateOf(intent)).toBe(outcome)
    expect(commands(receive([hello().ready]))).toEqual([])
  },
)

test('after a quarter of an hour it is not sent any more; a result that comes later still counts', () => {
  const [waiting, sent] = [want('ping'), want('ping')]
  store.run('UPDATE intents SET until = ? WHERE intent = ?', clock.at, waiting)
  receive([hello().ready])
  clock.at += 900_000
  expect([stateOf(waiting), stateOf(sent)]).toEqual(['expired', 'expired'])
  expect(commands(receive([hello().ready]))).toEqual([])
  result(sent, 'done')
  expect(stateOf(sent)).toBe('done')
})

test('a refusal closes it and raises a flag; a refusal of what nobody sent raises one as well', () => {
  const intent = want('ping')
  receive([hello().ready])
  const refused = (detail: object) => chained('event', { event: 'command-refused', detail })
  refused({ why: 'command.late', intent, count: 1 })
  expect(commandLine(readIntent(store, intent)!, clock.at)).toMatchObject({
    ...{ state: 'refused', detail: { why: 'command.late' } },
  })
  refused({ why: 'wire.unknown-key', intent: null, count: 7 })
  expect(listFlags(store, {}).map(one => [one.flag, one.gateway, one.detail])).toEqual([
    [
      'COMMAND_REFUSED',
      gateway.id,
      `1 times a command was not obeyed: command.late (${intent}, of this server)`,
    ],
    ['COMMAND_REFUSED', gateway.id, '7 times a command was not obeyed: wire.unknown-key (of nobody proven)'],
  ])
})

test('a result or refusal of one gateway closes no command of another', () => {
  const intent = want('ping')
  store.run("UPDATE intents SET gateway = 'another', sent = 1, token = 1 WHERE intent = ?", intent)
  result(intent, 'done')
  chained('event', { event: 'command-refused', detail: { why: 'command.late', intent, count: 1 } })
  expect(stateOf(intent)).toBe('sent')
})

test('a dangerous command carries the order of the operator, who is made known before it', () => {
  const args = { soon: true, why: 'update', after: 5 }
  const intent = want('restart', args)
  const down = read(receive([hello().ready]))
  expect(down.map(one => one.type)).toEqual(['update', 'command'])
  const [update, command] = down as [Down & { type: 'update' }, Down & { type: 'command' }]
  const root = registry.roots[0]!
  const [certified] = update.body.statements.map(one => verifyRegistry('operator', unpublish(one), root))
  const operator = readSigner(state, 'operator', ownLock(state))
  expect(certified).toMatchObject({ operator: 'tester', key: base64url(operator.publicKey) })
  expect(
    verifyRegistry('order', unpublish(command.body.order!), verifyKey(operator.publicKey)),
  ).toMatchObject({
    ...{ operator: 'tester', gateway: gateway.id, intent, verb: 'restart', args },
    ...{ made: clock.at, until: clock.at + 900_000 },
  })
})

test('the order of an operator who was revoked is not signed', () => {
  const root = readSigner(state, 'root', { passphrase: 'for tests only, known to everybody' })
  const key = readSigner(state, 'operator', ownLock(state))
  const body = {
    server: registry.server.id,
    number: 1,
    before: null,
    what: 'operator' as const,
    id: 'tester',
  }
  const statement = signRegistry(
    'revocation',
    { ...body, key: key.kid, tls: null, since: 0, why: 'left' },
    root,
  )
  insertStatement(store.db, { subject: registry.server.id, version: 1, statement, at: 0, actor: 'test' })
  expect(() => want('restart')).toThrow(/revoked/)
  expect(listIntents(store, undefined, 10)).toEqual([])
})

test('a hello that tells lower versions is answered with what is newer, operators first, at most 8 at a time', () => {
  const root = readSigner(state, 'root', { passphrase: 'for tests only, known to everybody' })
  const operator = readSigner(state, 'operator', ownLock(state))
  const server = registry.server.id
  const enter = (subject: string, version: number, statement: Statement) =>
    insertStatement(store.db, { subject, version, statement, at: 0, actor: 'test' })
  let before: string | null = null
  for (let number = 1; number <= 10; number++) {
    const lost: SigningKey = signingKey(makePair('ed25519').secret)
    const what = { what: 'gateway' as const, id: gateway.id, key: lost.kid, tls: 'ab'.repeat(32) }
    const statement = signRegistry(
      'revocation',
      { server, number, before, ...what, since: 0, why: 'lost' },
      operator,
    )
    enter(server, number, statement)
    before = hex(statementHash(statement))
  }
  const list = { gateway: gateway.id, version: 1, before: null, devices: [] }
  enter(gateway.id, 1, signRegistry('device-list', list, operator))
  const { kid: _, ...entry } = registry.entry()
  enter(server, 2, signRegistry('server-entry', { ...entry, version: 2 }, root))

  const { nonce, others, again } = hello({ binding: 1, serverEntry: 1, devices: 0, revocations: 1 })
  const bodies = others.map(one => (one.type === 'update' ? one.body : undefined)!)
  expect(bodies.map(one => [one.nonce, one.statements.length])).toEqual([
    [nonce, 8],
    [nonce, 4],
  ])
  const types = bodies.flatMap(one => one.statements.map(({ type }) => type))
  expect(types.slice(0, 4)).toEqual(['server-entry', 'operator', 'device-list', 'revocation'])
  const numbers = bodies
    .flatMap(one => one.statements)
    .filter(one => one.type === 'revocation')
    .map(one => verifyRegistry('revocation', unpublish(one), verifyKey(operator.publicKey)).number)
  expect(numbers).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10])
  // the same hello again gets the same welcome, and the updates again: they may have been lost
  expect(read(receive([again])).map(one => one.type)).toEqual(['welcome', 'update', 'update'])
  expect(hello(registry.versions(gateway.id)).others).toEqual([])
})

test('a list that no envelope holds is left out, and the rest is handed over', () => {
  const operator = readSigner(state, 'operator', ownLock(state))
  const name = (at: number) => `${'n'.repeat(60)}${String(at).padStart(4, '0')}`
  const device = (at: number) => ({
    device: name(at),
    driver: name(at),
    station: name(at),
    proposal: 'ab'.repeat(32),
  })
  const devices = Array.from({ length: 256 }, (_, at) => device(at))
  const statement = signRegistry(
    'device-list',
    { gateway: gateway.id, version: 1, before: null, devices },
    operator,
  )
  insertStatement(store.db, { subject: gateway.id, version: 1, statement, at: 0, actor: 'test' })
  const { others } = hello({ ...current, binding: 0 })
  const types = others.flatMap(one =>
    one.type === 'update' ? one.body.statements.map(({ type }) => type) : [],
  )
  expect(types).toEqual(['binding', 'operator'])
})
