import { base64url, hex, unbase64url } from '../../src/base/bytes.ts'
import { isFault } from '../../src/base/fault.ts'
import type { Outgoing } from '../../src/receiver/receipts.ts'
import { envelopeHash, headZero, nextHead } from '../../src/wire/chain.ts'
import { noEpoch, open, pack } from '../../src/wire/envelope.ts'
import { type BoxKey, boxPublic, type SigningKey, type VerifyKey, verifyKey } from '../../src/wire/keys.ts'
import { type SealedType, saidFrom, signAndSeal } from '../../src/wire/message.ts'
import { type Binding, type ServerEntry, verifyRegistry } from '../../src/wire/registry.ts'
import { seenHash, type Versions } from '../../src/wire/session.ts'
import { decodeBody, type PublicStatement, type Statement, unpublish } from '../../src/wire/statement.ts'
import { topics } from '../../src/wire/topics.ts'
import { time } from './fixture.ts'

/** A row that an honest gateway keeps until it is receipted. */
export interface PlayedRow {
  epoch: string
  seq: number
  head: string
  hash: string
  payload: Uint8Array
  receipted: boolean
}

/** What a gateway knows of its server, and may learn. */
export interface PlayedRoute {
  entry: ServerEntry
  binding: number
  /** Root and successor, as it pinned them. */
  roots: VerifyKey[]
}

/**
 * A gateway as WIRE tells it, without a radio or a disk: it seals to the entry that it has, believes receipts under
 * that one alone, takes what proves itself, and goes over when it is told to.
 */
export function playedGateway(
  who: { gateway: string; sign: SigningKey; box: BoxKey },
  route: PlayedRoute,
  random: (below: number) => number = () => 0,
) {
  const { gateway } = who
  const rows: PlayedRow[] = []
  let { entry, binding, roots } = route
  let next: ServerEntry | undefined
  let epochs = 0
  let epoch = ''
  let seq = 0
  let head = ''
  let told = 0
  const heard: string[] = []
  const greetings = new Map<string, Statement>()
  const answers: object[] = []
  const disbelieved: string[] = []
  const moves: Binding[] = []

  const server = () => ({ id: entry.server, box: boxPublic(unbase64url(entry.keys.box)) })
  const up = () => topics(entry.server, gateway).up

  const say = (type: SealedType, members: object) => {
    seq += 1
    const prev = head
    const body = { epoch, seq, prev, time: time(), ...members }
    const { envelope } = signAndSeal(type, { id: gateway, key: who.sign }, server(), body)
    head = nextHead(prev, envelope)
    const payload = pack({ epoch, seq, envelope })
    rows.push({ epoch, seq, head, hash: hex(envelopeHash(envelope)), payload, receipted: false })
  }

  const begin = (): void => {
    const id = `${who.sign.kid.slice(0, 12)}${(epochs++).toString(16).padStart(4, '0')}`
    epoch = id
    seq = 0
    head = headZero(id, { gateway, server: entry.server, kid: who.sign.kid })
    say('epoch-open', { before: null, why: 'start', software: '0.1.0' })
  }

  const confirm = ({ epoch, seq, head }: { epoch: string; seq: number; head: string }): void => {
    const at = rows.find(row => row.epoch === epoch && row.seq === seq)
    if (at?.head !== head) return
    for (const row of rows) if (row.epoch === epoch && row.seq <= seq) row.receipted = true
  }

  const learn = (form: PublicStatement): void => {
    const statement = unpublish(form)
    const { kid } = decodeBody(statement.body)
    const root = roots.find(one => one.kid === kid)
    if (root === undefined) return
    if (form.type === 'server-entry') {
      const body = verifyRegistry('server-entry', statement, root)
      if (body.server === entry.server && body.version > (next ?? entry).version) next = body
    }
    if (form.type === 'binding') {
      const body = verifyRegistry('binding', statement, root)
      if (body.gateway !== gateway || body.version <= binding) return
      binding = body.version
      if (body.server !== entry.server) moves.push(body)
    }
    // WIRE 9.12: the first under the successor makes it the root
    if (form.type === 'server-entry' || form.type === 'binding') roots = roots.slice(roots.indexOf(root))
  }

  return {
    gateway,
    rows,
    heard,
    disbelieved,
    moves,
    version: () => entry.version,
    knowsLater: () => next !== undefined,
    waiting: () => rows.filter(row => !row.receipted),
    begin,
    /** What a welcome of a restored server does: receipted rows above its answer are sent anew (WIRE 7.7). */
    forgetReceipts: () => {
      for (const row of rows) row.receipted = false
    },
    take: () => {
      if (epoch === '') begin()
      say('event', { event: 'clock-anchored', detail: { boot: 'b'.repeat(32), mono: 1, wall: 1 } })
    },
    /** Says on a new connection that it has the entry that it learnt. */
    goOver: () => {
      entry = next ?? entry
      next = undefined
    },
    hello: (versions: Partial<Versions> = {}) => {
      const last = new Map(rows.map(row => [row.epoch, row]))
      const body = {
        nonce: (++told).toString(16).padStart(32, '0'),
        boot: 'b'.repeat(32),
        epochs: [...last.values()].map(({ epoch, seq, head }) => ({ epoch, seq, head })),
        token: 0,
        software: '0.1.0',
        drivers: 'd'.repeat(64),
        clock: time(),
        versions: { binding, serverEntry: entry.version, devices: 0, revocations: 0, ...versions },
      }
      const { envelope, statement } = signAndSeal('hello', { id: gateway, key: who.sign }, server(), body)
      greetings.set(body.nonce, statement)
      return { topic: up(), payload: pack({ epoch: noEpoch, seq: 0, envelope }) }
    },
    /** What it owes for the welcomes that it heard. */
    readies: () =>
      answers.splice(0).map(body => {
        const { envelope } = signAndSeal('ready', { id: gateway, key: who.sign }, server(), body)
        return { topic: up(), payload: pack({ epoch: noEpoch, seq: 0, envelope }) }
      }),
    /** Some of what waits, in any order. */
    sent: (most: number) => {
      const some = rows.filter(row => !row.receipted).toSorted(() => random(3) - 1)
      return some.slice(0, most).map(({ payload }) => ({ topic: up(), payload }))
    },
    /** Takes what comes down, as far as it is believed. */
    hear: (out: readonly Outgoing[]) => {
      for (const one of out) {
        if (one.topic !== topics(entry.server, gateway).down) continue
        try {
          const statement = open(one.payload, who.box)
          const type = statement.type as 'welcome' | 'receipt' | 'update' | 'command'
          const own = type === 'command' ? entry.keys.command : entry.keys.receipt
          const expected = {
            iss: entry.server,
            key: verifyKey(unbase64url(own)),
            aud: gateway,
            box: who.box,
          }
          const said = saidFrom(statement, ['welcome', 'receipt', 'update', 'command'], expected)
          heard.push(said.type)
          if (said.type === 'receipt') confirm(said.body)
          if (said.type === 'welcome') {
            for (const answer of said.body.epochs) confirm(answer)
            const { serverNonce, token } = said.body
            const greeting = greetings.get(said.body.nonce)
            if (greeting !== undefined) {
              answers.push({ serverNonce, token, seen: seenHash(greeting, said.statement) })
            }
          }
          if (said.type === 'update') for (const form of said.body.statements) learn(form)
        } catch (error) {
          if (!isFault(error)) throw error
          disbelieved.push(error.code)
        }
      }
    },
  }
}

export type Played = ReturnType<typeof playedGateway>

/** Keys of an entry as they stand in it. */
export const keysOf = (keys: { box: BoxKey; receipt: SigningKey; command: SigningKey }) => ({
  box: base64url(keys.box.publicKey),
  receipt: base64url(keys.receipt.publicKey),
  command: base64url(keys.command.publicKey),
})

/** A random source that gives the same for the same seed (mulberry32). */
export function seeded(seed: number): (below: number) => number {
  let state = seed >>> 0
  return below => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}
