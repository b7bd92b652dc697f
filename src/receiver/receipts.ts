import { headZero } from '../wire/chain.ts'
import type { BoxPublic } from '../wire/keys.ts'
import { type Holes, holesLimit } from '../wire/members.ts'
import { type Sealed, signAndSeal } from '../wire/message.ts'
import { topics } from '../wire/topics.ts'
import type { Chain, Place } from './chains-advance.ts'
import { holesTo } from './chains-holes.ts'
import { type Heard, lastHeard } from './heard.ts'
import type { Store } from './store.ts'
import type { Trust } from './verify.ts'

/** How much of a chain is held: every envelope up to this head, the holes apart (WIRE 7.5). */
export interface Extent {
  epoch: string
  seq: number
  head: string
  holes: Holes
}

/** A sealed statement on its way down. */
export interface Outgoing {
  topic: string
  payload: Uint8Array
}

/** What can be confirmed at a place: itself, or the one before the first hole that may not be listed. */
function extent(store: Store, epoch: string, { branch, seq, head }: Place, room: number): Extent {
  const most = Math.min(room, holesLimit.answer)
  const holes: Holes = []
  for (const { first, top, before } of holesTo(store, branch, seq)) {
    const last = holes.at(-1)
    if (last !== undefined && first <= last[1] + 1) last[1] = Math.max(last[1], top)
    else if (holes.length < most) holes.push([first, top])
    else return { epoch, seq: first - 1, head: before, holes }
  }
  return { epoch, seq, head, holes }
}

/** What is held of a branch, up to its tip. Inside `write`. */
export function extentOfBranch(store: Store, branch: number): Extent & { gateway: string } {
  const tip = store.get<{ gateway: string; epoch: string; seq: number; head: string }>(
    'SELECT gateway, epoch, seq, head FROM branches WHERE id = ?',
    branch,
  )
  if (tip === undefined) throw new Error(`branch ${branch} is gone`)
  return { gateway: tip.gateway, ...extent(store, tip.epoch, { ...tip, branch }, holesLimit.answer) }
}

/**
 * The answer to what a gateway says of an epoch: exactly the place it names where that is held, else the
 * end of the longest branch, else seq 0; either ends before a hole for which there is no room (WIRE 7.2).
 * Inside `write`.
 */
export function extentAsked(
  store: Store,
  chain: Chain,
  asked: { seq: number; head: string },
  server: string,
  room: number,
): Extent {
  const exact = store.get<{ branch: number }>(
    'SELECT branch FROM places WHERE gateway = ? AND epoch = ? AND seq = ? AND head = ?',
    chain.gateway,
    chain.epoch,
    asked.seq,
    asked.head,
  )
  if (exact !== undefined) return extent(store, chain.epoch, { ...asked, ...exact }, room)
  const longest = store.get<Place>(
    'SELECT id AS branch, seq, head FROM branches WHERE gateway = ? AND epoch = ? ORDER BY seq DESC, id LIMIT 1',
    chain.gateway,
    chain.epoch,
  )
  if (longest !== undefined) return extent(store, chain.epoch, longest, room)
  return {
    epoch: chain.epoch,
    seq: 0,
    head: headZero(chain.epoch, { gateway: chain.gateway, server, kid: chain.kid }),
    holes: [],
  }
}

/**
 * Between whom something goes down: under the keys of the server entry that the gateway's last hello named, to the
 * box key of the binding whose signing key it named (WIRE 9.9, 9.10); before its first hello the newest of both.
 * Undefined if it is no longer enrolled.
 */
export function endsDown<K>(
  trust: Pick<Trust, 'gateway' | 'bound'> & {
    keys: { answering(version: number, akid: string | null): K }
  },
  gateway: string,
  heard: Heard | undefined,
): { keys: K; box: BoxPublic } | undefined {
  const enrolled = trust.gateway(gateway)
  if (enrolled === undefined) return undefined
  const bound = heard === undefined ? undefined : trust.bound(gateway, heard.kid)
  // no entry has version 0: it is answered as by the newest
  const keys = trust.keys.answering(heard?.entry ?? 0, heard?.akid ?? null)
  return { keys, box: (bound ?? enrolled).boxPublic }
}

/** Signs and seals what the server says to one of its gateways; undefined if it is no longer enrolled. */
export function sealDown(
  trust: Pick<Trust, 'gateway' | 'bound' | 'keys'>,
  gateway: string,
  heard: Heard | undefined,
  type: 'receipt' | 'welcome' | 'update',
  members: object,
): Sealed | undefined {
  const ends = endsDown(trust, gateway, heard)
  if (ends === undefined) return undefined
  const { id, receipt } = ends.keys
  return signAndSeal(type, { id, key: receipt }, { id: gateway, box: ends.box }, members)
}

/** The receipts for what is held. To be called only after the commit that made it so (WIRE 7.5). */
export function receiptsFor(
  store: Store,
  trust: Trust,
  held: readonly (Extent & { gateway: string })[],
  time: number,
): Outgoing[] {
  return held.flatMap(({ gateway, ...place }) => {
    if (place.seq === 0) return []
    const sealed = sealDown(trust, gateway, lastHeard(store, gateway), 'receipt', { ...place, time })
    return sealed === undefined
      ? []
      : [{ topic: topics(trust.server.id, gateway).down, payload: sealed.envelope }]
  })
}
