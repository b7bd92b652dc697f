import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { base32 } from '../../src/base/bytes.ts'
import { openOutbox } from '../../src/outbox/outbox.ts'
import { headZero, nextHead } from '../../src/wire/chain.ts'
import { type Scene, scene, weight } from './scene.ts'

const rows = 20_000
const epoch = '0a'.repeat(8)

let at: Scene
beforeEach(() => {
  at = scene()
  const { gateway } = at.settings
  const zero = (name: string, server: string, kid: string) => headZero(name, { gateway, server, kid })
  const outbox = openOutbox({ ...at.settings, chain: { zero, next: nextHead } })
  // Another server's epoch: only a verification looks at it, never the check of the start
  const owner = { server: base32(randomBytes(16)), kid: 'ab'.repeat(8) }
  const { id } = outbox.epochs.add({ epoch, ...owner, opened: 0, zero: zero(epoch, owner.server, owner.kid) })
  outbox.commit(() => {
    for (let n = 0; n < rows; n++) {
      outbox.append(outbox.epochs.get(id)!, Uint8Array.from(Buffer.alloc(200, n % 251)), n)
    }
  })
  outbox.close()
})
afterEach(() => at.clear())

const damage = (): void =>
  at.edit(db => {
    db.exec('DELETE FROM row WHERE seq IN (7, 19999)')
    db.prepare('UPDATE row SET envelope = ? WHERE seq = 9000').run(Buffer.from('else'))
    const read = db.prepare('SELECT envelope FROM row WHERE seq = ?').pluck()
    const [one, other] = [read.get(300), read.get(15_000)]
    const write = db.prepare('UPDATE row SET envelope = ? WHERE seq = ?')
    write.run(other, 300)
    write.run(one, 15_000)
  })

test('statements are taken and receipted while a large outbox is verified; each damage is named', async () => {
  damage()
  const custody = await at.start()
  let report: Awaited<ReturnType<typeof custody.verify>> | undefined
  const verified = custody.verify().then(found => {
    report = found
  })
  let served = 0
  for (; report === undefined; served++) {
    const place = await custody.take(weight(served))
    const { body, statement } = at.receipt(place)
    await custody.receipt(body, statement)
  }
  await verified
  // In one piece, the verification would be answered before what was asked after it
  expect(served).toBeGreaterThan(3)
  expect(report).toMatchObject({ epochs: 2, more: false })
  expect(report?.rows).toBeGreaterThan(rows - 2)
  const found = report?.problems.map(({ epoch: where, seq, problem }) => `${where} ${seq} ${problem}`)
  expect(found?.sort()).toEqual(
    ['15000 swapped', '19999 missing', '300 swapped', '7 missing', '9000 altered'].map(
      one => `${epoch} ${one}`,
    ),
  )
})

test('a stop does not wait for a verification, and one that is asked twice is answered twice', async () => {
  const custody = await at.start()
  const [first, second] = await Promise.all([custody.verify(), custody.verify()])
  expect(first).toEqual({ epochs: 1, rows, problems: [], more: false })
  expect(second).toEqual(first)
  const left = custody.verify()
  const refused = expect(left).rejects.toMatchObject({ code: 'interrupted' })
  await custody.stop()
  await refused
})
