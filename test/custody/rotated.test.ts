import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { Custody, Place } from '../../src/daemon/custody.ts'
import { headZero } from '../../src/wire/chain.ts'
import { open } from '../../src/wire/envelope.ts'
import { makePair, signingKey, verifyKey } from '../../src/wire/keys.ts'
import { decodeBody, isSignedBy } from '../../src/wire/statement.ts'
import { helloMembers, moment, type Scene, scene, weight } from './scene.ts'

/** A box with rows under its former key, started again under the next one (WIRE 9.9). */
let at: Scene
let former: Place[]
let custody: Custody
const nextSeed = makePair('ed25519').secret
const nextKey = signingKey(nextSeed)

beforeEach(async () => {
  at = scene({ graceMs: 1000 })
  const first = await at.start()
  former = []
  for (const mono of [1, 2, 3, 4]) former.push(await first.take(weight(mono)))
  const { body, statement } = at.receipt(former[1]!)
  await first.receipt(body, statement)
  await first.stop()
  custody = await at.start({ seed: nextSeed })
})
afterEach(() => at.clear())

/** What an envelope says, under the next key. */
function read(envelope: Uint8Array): Record<string, unknown> & { type: string } {
  const statement = open(envelope, at.box)
  expect(isSignedBy(statement, verifyKey(nextKey.publicKey))).toBe(true)
  return { ...decodeBody(statement.body), type: statement.type }
}
const greet = (epochs: Parameters<Scene['welcome']>[0], time = 1_780_000_200_000) => {
  const { body, statement } = at.welcome(epochs, { time })
  return custody.welcome(body, statement)
}

test('the first epoch under the new key says so and names the end of the one before; a hello under it names both', async () => {
  const place = await custody.take(weight(9))
  const rows = await custody.due(0, 100)
  const opening = rows.find(row => row.parcel.epoch === place.epoch && row.parcel.seq === 1)!
  const { epoch, seq, head } = former[3]!
  expect(read(opening.parcel.envelope)).toMatchObject({
    type: 'epoch-open',
    kid: nextKey.kid,
    why: 'rotated',
    before: { epoch, seq, head },
  })
  const hello = read((await custody.hello(helloMembers)).envelope)
  expect(hello).toMatchObject({
    kid: nextKey.kid,
    epochs: [
      { epoch, seq, head },
      { epoch: place.epoch, seq: 2, head: place.head },
    ],
  })
  // the rows of before go as they are
  expect(rows.filter(row => row.parcel.epoch === epoch).map(row => row.parcel.seq)).toEqual([4, 5])
  await custody.stop()
  const again = await at.start({ seed: nextSeed })
  const later = await again.take(weight(10))
  const [start] = (await again.due(0, 100)).filter(row => row.parcel.epoch === later.epoch)
  expect(read(start!.parcel.envelope)).toMatchObject({ why: 'start' })
})

test('a server that does not know the former key asks for all: its head(0) is no disagreement, and all is sent anew', async () => {
  const { epoch } = former[0]!
  const { gateway, server } = at.settings
  const head = headZero(epoch, { gateway, server, kid: nextKey.kid })
  const settled = await greet([{ epoch, seq: 0, head, holes: [] }])
  expect(settled).toMatchObject({ receipted: 0, reopened: 3, refused: [], upTo: [{ epoch, seq: 0 }] })
  expect((await custody.due(0, 100)).map(row => row.parcel.seq)).toEqual([1, 2, 3, 4, 5])
})

test('rows of the former key are receipted and forgotten, and the disk is found as it was written', async () => {
  const { epoch, seq, head } = former[3]!
  // three were receipted longer ago than the grace period
  expect(await greet([{ epoch, seq, head, holes: [] }])).toMatchObject({ receipted: 2, forgotten: 3 })
  expect(await custody.verify()).toMatchObject({ problems: [] })
  expect(await greet([{ epoch, seq, head, holes: [] }], 1_780_000_300_000)).toMatchObject({ forgotten: 2 })
  expect(await custody.verify()).toMatchObject({ problems: [] })
})

test('rows of the former key that the disk lost are declared under the new one', async () => {
  const { epoch, seq } = former[2]!
  await custody.stop()
  at.edit(db => db.prepare('DELETE FROM row WHERE seq = ?').run(seq))
  custody = await at.start({ seed: nextSeed })
  const place = await custody.take({
    type: 'event',
    time: moment(20),
    members: { event: 'device-removed', detail: { device: 'scale-1' } },
  })
  const said = (await custody.due(0, 100))
    .filter(row => row.parcel.epoch === place.epoch)
    .map(row => read(row.parcel.envelope))
  expect(said.map(one => one.why ?? one.event)).toEqual(['rotated', 'lost', 'device-removed'])
  expect(said[1]!.detail).toMatchObject({
    epoch,
    from: seq,
    to: seq,
    before: former[1]!.head,
    after: former[2]!.head,
  })
  expect((await custody.verify()).problems).toEqual([{ epoch, seq, problem: 'missing', declared: true }])
})
