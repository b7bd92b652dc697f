import { expect, test } from '@jest/globals'
import { listFlags } from '../../src/receiver/flags.ts'
import type { Outgoing } from '../../src/receiver/receipts.ts'
import type { Receive } from '../../src/receiver/receive.ts'
import type { Message } from '../../src/receiver/verify.ts'
import { verifyKey } from '../../src/wire/keys.ts'
import { openFrom } from '../../src/wire/message.ts'
import { bench, epochOf, gateway, type Holder, type Said, server, time, unchained } from './fixture.ts'
import { bind } from './rotate-fixture.ts'

/** Numbers from 0 up to below `n`, the same for the same seed (mulberry32). */
function dice(seed: number): (n: number) => number {
  let state = seed
  return n => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % n
  }
}

interface Row extends Said {
  epoch: string
  receipted: boolean
}

/** An honest gateway: its outbox, its present keys, and whether this connection was welcomed. */
function honest(roll: (n: number) => number) {
  let who: Holder = gateway
  let [mono, boots, epochs, token] = [0, 0, 0, 0]
  let nonce: string | undefined
  let welcomed = false
  let rows: Row[] = []
  const taken: Row[] = []

  const boot = (): string => boots.toString(16).padStart(32, '0')
  const now = () => ({ ...time(++mono), boot: boot() })
  function keep(epoch: string, said: Said): void {
    const row = { ...said, epoch, receipted: false }
    rows.push(row)
    taken.push(row)
  }
  function begin(why: string) {
    epochs += 1
    const name = epochs.toString(16).padStart(16, '0')
    const chain = epochOf(who, name)
    const last = rows.at(-1)
    const before = last === undefined ? null : { epoch: last.epoch, seq: last.seq, head: last.head }
    keep(name, chain.say('epoch-open', { before, why, software: '0.1.0', time: now() }))
    return { name, chain }
  }
  let open = begin('first')
  const lasts = () => [...new Map(rows.map(({ epoch, seq, head }) => [epoch, { epoch, seq, head }])).values()]

  return {
    rows: () => rows,
    taken: () => taken,
    measure: () => keep(open.name, open.chain.reading({ time: now() })),
    restart: () => {
      boots += 1
      mono = 0
      welcomed = false
      open = begin('start')
    },
    /** Goes on under other keys: the old connection is closed, the next statement opens an epoch. */
    rotate: (next: Holder) => {
      who = next
      welcomed = false
      open = begin('rotated')
    },
    hello: (): Message => {
      nonce = `${(++mono).toString(16)}${boots.toString(16)}f`.padStart(32, '0')
      const members = {
        ...{ nonce, boot: boot(), epochs: lasts(), token, software: '0.1.0', drivers: 'd'.repeat(64) },
        ...{ clock: now(), versions: { binding: 1, serverEntry: 1, devices: 1, revocations: 0 } },
      }
      return unchained(who, 'hello', members).message
    },
    /** Some of what waits, again and again until it is receipted. */
    send: (): Message[] =>
      welcomed ? rows.filter(row => !row.receipted && roll(3) > 0).map(row => row.message) : [],
    /** What came down: a welcome to the last hello opens the way, a receipt lets rows go. */
    hear: (payload: Uint8Array): void => {
      const from = { iss: server.id, key: verifyKey(server.receipt.publicKey), aud: gateway.id, box: who.box }
      // what was sealed to the keys before is not opened any more
      if (Buffer.compare(payload.subarray(4, 12), Buffer.from(who.box.kid, 'hex')) !== 0) return
      const { type, body } = openFrom(payload, ['welcome', 'receipt'], from)
      const answers = type === 'welcome' ? body.epochs : [body]
      if (type === 'welcome') {
        if (body.nonce !== nonce) return
        welcomed = true
        token = Math.max(token, body.token)
      }
      for (const { epoch, seq, head } of answers) {
        const known = rows.find(row => row.epoch === epoch && row.seq === seq)
        if (known !== undefined && known.head !== head) throw new Error(`another head at ${epoch} ${seq}`)
        for (const row of rows) if (row.epoch === epoch && row.seq <= seq && known) row.receipted = true
      }
      // a row is forgotten once what comes before it in its epoch is, as under a full quota
      if (type === 'welcome' && roll(2) === 0) {
        const spare = rows.at(-1)
        rows = rows.filter(row => !row.receipted || row === spare || row.epoch === open.name)
      }
    },
  }
}

const seeds = Array.from({ length: 12 }, (_, at) => at + 1)

test.each(seeds)('honest traffic with rotations, any order, two workers, raises no flag: seed %i', seed => {
  const roll = dice(seed)
  const it = bench()
  try {
    const box = honest(roll)
    const workers: Receive[] = [it.receive, it.again().receive]
    const flying: Message[] = []
    let version = 1
    let next: Holder | undefined

    const hear = (out: readonly Outgoing[]): void => {
      for (const { payload } of out) if (roll(8) > 0) box.hear(payload)
    }
    /** A worker takes some of what is on its way; some of it comes twice, some is lost. */
    const deliver = (lossy: boolean): void => {
      const batch: Message[] = []
      for (let n = roll(5) + 1; n > 0 && flying.length > 0; n--) {
        const [one] = flying.splice(roll(flying.length), 1)
        if (lossy && roll(10) === 0) continue
        batch.push(one!)
        if (roll(6) === 0) flying.push(one!)
      }
      hear(workers[roll(2)]!(batch))
    }

    for (let step = 0; step < 250; step++) {
      const what = roll(20)
      if (what < 7) box.measure()
      else if (what < 9) flying.push(box.hello())
      else if (what < 12) flying.push(...box.send())
      else if (what === 12 && roll(3) === 0) {
        // a start takes longer than a hello is on its way
        while (flying.length > 0) deliver(true)
        box.restart()
      } else if (what === 13 && next === undefined && version < 5) next = bind(it, ++version)
      else if (what === 14 && next !== undefined) {
        box.rotate(next)
        next = undefined
      } else deliver(true)
    }
    if (next !== undefined) box.rotate(next)
    // the line gets better: all goes up in the end
    for (let turn = 0; turn < 200 && box.rows().some(row => !row.receipted); turn++) {
      flying.push(box.hello())
      while (flying.length > 0) deliver(false)
      flying.push(...box.send())
      while (flying.length > 0) deliver(false)
    }
    expect(listFlags(it.store, {})).toEqual([])
    expect(box.rows().filter(row => !row.receipted)).toEqual([])
    const held = it.store.all<{ hash: string }>('SELECT hash FROM chains').map(one => one.hash)
    expect(held.toSorted()).toEqual(
      box
        .taken()
        .map(one => one.hash)
        .toSorted(),
    )
    expect(version).toBeGreaterThan(1)
  } finally {
    it.end()
  }
})
