import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Bytes, base32, hex } from '../../src/base/bytes.ts'
import type { Clock } from '../../src/base/clock.ts'
import { codeOf } from '../../src/base/fault.ts'
import { makeLog } from '../../src/base/log.ts'
import type { Outgoing } from '../../src/receiver/receipts.ts'
import { makeReceive, type Receive } from '../../src/receiver/receive.ts'
import type { AcceptedDevice, Enrolled } from '../../src/receiver/registry.ts'
import { flagSubject, openReviews } from '../../src/receiver/registry-reviews.ts'
import type { Reviewer } from '../../src/receiver/reviews.ts'
import { openStore, type Store } from '../../src/receiver/store.ts'
import type { Message, Trust } from '../../src/receiver/verify.ts'
import { envelopeHash, headZero, nextHead } from '../../src/wire/chain.ts'
import { noEpoch, pack } from '../../src/wire/envelope.ts'
import {
  type BoxKey,
  boxKey,
  boxPublic,
  type SigningKey,
  signingKey,
  verifyKey,
} from '../../src/wire/keys.ts'
import { openFrom, type SealedType, signAndSeal } from '../../src/wire/message.ts'
import type { Revocation } from '../../src/wire/registry.ts'
import type { ReceiptBody } from '../../src/wire/session.ts'
import { topics } from '../../src/wire/topics.ts'

const filled = (byte: number, length: number): Bytes => new Uint8Array(length).fill(byte)

/** A server whose keys are known to everybody: for tests only. */
export const server = {
  id: base32(filled(0xa0, 16)),
  box: boxKey(filled(1, 32)),
  receipt: signingKey(filled(2, 32)),
}

/** One who holds a signing and a box key: a gateway, or somebody who wants to be one. */
export interface Holder {
  id: string
  key: SigningKey
  box: BoxKey
}

export const holder = (byte: number): Holder => ({
  id: base32(filled(byte, 16)),
  key: signingKey(filled(byte + 1, 32)),
  box: boxKey(filled(byte + 2, 32)),
})

export const gateway = holder(0x10)
export const other = holder(0x20)
/** The gateway with the keys that it had before they were revoked. */
export const former: Holder = { ...gateway, key: signingKey(filled(0x51, 32)) }

const revocation: Revocation = {
  kid: '0'.repeat(16),
  server: server.id,
  number: 1,
  before: null,
  what: 'gateway',
  id: gateway.id,
  key: former.key.kid,
  tls: '1'.repeat(64),
  since: 0,
  why: 'stolen',
}

export const cuff: AcceptedDevice = {
  device: 'cuff-1',
  driver: 'omron-hbp9030',
  station: 'room-12',
  proposal: '0'.repeat(64),
}

/** What a binding of this version says of its holder. */
export const boundAs = ({ id, key, box }: Holder, version: number): Enrolled => ({
  gateway: id,
  site: 'site',
  version,
  since: 0,
  verifyKey: verifyKey(key.publicKey),
  boxPublic: boxPublic(box.publicKey),
  tls: '0'.repeat(64),
})

/** A registry in memory. Change `devices`, `gateways` and `older` bindings as an operator would. */
export function registry(): {
  trust: Trust
  devices: AcceptedDevice[]
  gateways: Map<string, Enrolled>
  older: Map<string, Enrolled[]>
} {
  const devices = [cuff]
  const gateways = new Map([gateway, other].map(one => [one.id, boundAs(one, 1)]))
  const older = new Map([[former.id, [boundAs(former, 0)]]])
  const bindings = (id: string) => [...(older.get(id) ?? []), ...[gateways.get(id) ?? []].flat()]
  const trust: Trust = {
    server,
    keys: { answering: () => server, opener: akid => (akid === server.box.kid ? server.box : undefined) },
    gateway: id => gateways.get(id),
    former: (id, kid) => older.get(id)?.find(one => one.verifyKey.kid === kid)?.verifyKey,
    bindings,
    bound: (id, kid) => bindings(id).findLast(one => one.verifyKey.kid === kid),
    revoked: kid => (kid === former.key.kid ? revocation : undefined),
    reviews: () => [],
    device: (_gateway, name) => devices.find(one => one.device === name),
    versions: () => ({ binding: 1, serverEntry: 1, devices: 1, revocations: 0 }),
  }
  return { trust, devices, gateways, older }
}

/** The operator of this server, and what he signs under that name. */
export const operator = signingKey(filled(3, 32))
export const reviewer: Reviewer = { server: server.id, operator: 'tester', key: operator }

/** What the operator signed about flags, as a store holds it. */
export function reviewsIn(store: Store): Trust['reviews'] {
  const signers = {
    server: server.id,
    operators: () => [{ name: 'tester', key: verifyKey(operator.publicKey) }],
    isRevokedAt: () => false,
  }
  const read = openReviews(store.db, signers, () => undefined)
  return flag => read(flagSubject(flag))
}

/** 2026-07-11T09:05:00Z. */
export const morning = 1_783_760_700_000
const boot = 'b'.repeat(32)

export const time = (mono = 1000, source: 'ntp' | 'none' = 'ntp') => ({
  wall: morning,
  source,
  uncertainty: source === 'ntp' ? 20 : null,
  boot,
  mono,
})

/** A blood pressure of 120/80 with a pulse of 72, from the accepted cuff, guarded and attributed. */
export const pressure = {
  device: 'cuff-1',
  station: 'room-12',
  driver: { id: 'omron-hbp9030', revision: 1, hash: 'd'.repeat(64) },
  link: { kind: 'serial', check: 'sum8' },
  raw: '313230',
  values: {
    systolic: { n: 120, s: 0, u: 'mm[Hg]' },
    diastolic: { n: 80, s: 0, u: 'mm[Hg]' },
    'pulse-rate': { n: 72, s: 0, u: '/min' },
  },
  attribution: { band: 'BAND-0001', scannedMono: 900 },
  notes: [] as string[],
}

/** A chained statement on its way, and where it stands. */
export interface Said {
  message: Message
  envelope: Bytes
  hash: string
  seq: number
  prev: string
  head: string
}

/** An epoch of a gateway, as an honest gateway writes it: numbered, chained, first its epoch-open. */
export function epochOf(who: Holder, epoch: string, at = server) {
  let seq = 0
  let head = headZero(epoch, { gateway: who.id, server: at.id, kid: who.key.kid })
  const zero = head
  const say = (type: SealedType, members: object): Said => {
    seq += 1
    const prev = head
    const body = { epoch, seq, prev, time: time(), ...members }
    const { envelope } = signAndSeal(type, from(who), to(at), body)
    head = nextHead(prev, envelope)
    const message = { topic: topics(server.id, who.id).up, payload: pack({ epoch, seq, envelope }) }
    return { message, envelope, hash: hex(envelopeHash(envelope)), seq, prev, head }
  }
  return {
    epoch,
    zero,
    say,
    open: () => say('epoch-open', { before: null, why: 'start', software: '0.1.0' }),
    reading: (members: object = {}) => say('reading', { ...pressure, ...members }),
    event: (event: string, detail: object, members: object = {}) =>
      say('event', { event, detail, ...members }),
    /** Goes back to a place, as a copied disk does. */
    back: (to: Said) => {
      seq = to.seq
      head = to.head
    },
  }
}

export const from = (who: Holder) => ({ id: who.id, key: who.key })
export const to = (at: { id: string; box: BoxKey }) => ({ id: at.id, box: boxPublic(at.box.publicKey) })

/** An unchained statement on its way up. */
export const unchained = (
  who: Holder,
  type: SealedType,
  members: object,
  at: Parameters<typeof to>[0] = server,
) => {
  const sealed = signAndSeal(type, from(who), to(at), members)
  const payload = pack({ epoch: noEpoch, seq: 0, envelope: sealed.envelope })
  return { ...sealed, message: { topic: topics(at.id, who.id).up, payload } }
}

/** A clock that stands until it is moved. */
export const standing = (): Clock & { at: number } => ({
  at: morning,
  now() {
    return this.at
  },
  mono: () => 0,
})

export interface Bench {
  path: string
  store: Store
  receive: Receive
  clock: Clock & { at: number }
  trust: Trust
  devices: AcceptedDevice[]
  gateways: Map<string, Enrolled>
  older: Map<string, Enrolled[]>
  /** Lines of the log. */
  logged: string[]
  /** Another worker, or the same after a restart, on the same file. */
  again(): { store: Store; receive: Receive }
  end(): void
}

/** A receiver on a real file in a temporary folder. */
export function bench(): Bench {
  const folder = mkdtempSync(join(tmpdir(), 'vitalgate-'))
  const path = join(folder, 'receiver.db')
  const clock = standing()
  const known = registry()
  const stores: Store[] = []
  const logged: string[] = []
  const again = () => {
    const store = openStore(path)
    stores.push(store)
    known.trust.reviews = reviewsIn(store)
    return {
      store,
      receive: makeReceive({
        store,
        trust: known.trust,
        clock,
        log: makeLog('error', { write: line => void logged.push(line) }),
      }),
    }
  }
  return {
    path,
    clock,
    ...known,
    logged,
    ...again(),
    again,
    end: () => {
      for (const store of stores) store.close()
      rmSync(folder, { recursive: true })
    },
  }
}

/** What the receipts among these say, opened and verified as their gateway does. */
export const receipts = (out: readonly Outgoing[], who: Holder = gateway): ReceiptBody[] =>
  out
    .filter(one => one.topic === topics(server.id, who.id).down)
    .map(one => {
      const expected = { iss: server.id, key: verifyKey(server.receipt.publicKey), aud: who.id, box: who.box }
      return openFrom(one.payload, ['receipt'], expected).body
    })

/** The code of the fault or database error that this throws; undefined if it throws none. */
export function thrownBy(work: () => unknown): string | undefined {
  try {
    work()
  } catch (error) {
    return codeOf(error)
  }
  return undefined
}
