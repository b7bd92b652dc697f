import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { listFlags, reviewFlag } from '../../src/receiver/flags.ts'
import { seenHash } from '../../src/wire/session.ts'
import { type Bench, bench, gateway, reviewer, unchained } from './fixture.ts'
import { hello, opened } from './session-fixture.ts'

let it: Bench
beforeEach(() => {
  it = bench()
})
afterEach(() => it.end())

/** A box that keeps the highest token on its disk, as WIRE 7.4 says. */
function box(disk = { token: 0 }) {
  const ask = (nonce: string, told = disk.token) => hello('0', { nonce: nonce.repeat(32), token: told })
  const answer = (asked: ReturnType<typeof hello>) => opened(it.receive([asked.message]))
  const ready = (asked: ReturnType<typeof hello>, { body, statement }: ReturnType<typeof answer>) => {
    disk.token = Math.max(disk.token, body.token)
    return unchained(gateway, 'ready', {
      serverNonce: body.serverNonce,
      token: body.token,
      seen: seenHash(asked.statement, statement),
    }).message
  }
  const shake = (nonce: string) => {
    const asked = ask(nonce)
    it.receive([ready(asked, answer(asked))])
    it.clock.at += 300_000
  }
  return { disk, ask, answer, ready, shake }
}
const suspects = () =>
  it.store.all<{ detail: string }>(
    "SELECT detail FROM flag_acts WHERE flag = 'CLONE_SUSPECT' AND act = 'raised'",
  )

test('two boxes with one key and one disk are suspected, once until somebody looks', () => {
  const one = box()
  one.shake('1')
  const two = box({ ...one.disk })
  one.shake('2')
  expect(suspects()).toEqual([])
  two.shake('3')
  expect(suspects()).toEqual([{ detail: 'it knows session 1, though session 2 was confirmed in its name' }])
  one.shake('4')
  two.shake('5')
  expect(suspects()).toHaveLength(1)
  const [flag] = listFlags(it.store, { flag: 'CLONE_SUSPECT' })
  expect(flag?.more).toBe(2)
  reviewFlag(it.store, it.trust.reviews, reviewer, flag!.id, { by: 'A', comment: 'b', at: it.clock.at })
  one.shake('6')
  expect(suspects()).toHaveLength(2)
})

test('honest handshakes raise nothing: again, twice, late, crossing, restored, with a lost disk', () => {
  const one = box()
  for (const nonce of ['1', '2', '3']) one.shake(nonce)
  // a hello whose welcome was lost, then another; the first is answered late, and nobody listens
  const [lost, next] = [one.ask('4'), one.ask('5')]
  const answered = one.answer(next)
  const late = one.ready(next, answered)
  it.receive([next.message, late, late])
  it.clock.at += 300_000
  one.answer(lost)
  // two readies that overtake each other
  const sixth = one.ask('6')
  const readySixth = one.ready(sixth, one.answer(sixth))
  it.clock.at += 300_000
  one.shake('7')
  it.receive([readySixth])
  // a hello that was written before the ready of the one before, and came just behind it
  const [eighth, ninth] = [one.ask('8'), one.ask('9')]
  it.receive([one.ready(eighth, one.answer(eighth))])
  it.clock.at += 1000
  it.receive([one.ready(ninth, one.answer(ninth))])
  it.clock.at += 300_000
  one.shake('a')
  // an outbox that was lost begins at 0
  const renewed = box()
  renewed.shake('b')
  renewed.shake('c')
  // a server that was restored has forgotten sessions, which the box has not
  it.store.run('DELETE FROM sessions WHERE token > 3')
  renewed.shake('d')
  renewed.shake('e')
  expect(suspects()).toEqual([])
  expect(it.store.all('SELECT 1 FROM flag_acts')).toEqual([])
})
