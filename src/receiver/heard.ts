import { Fault } from '../base/fault.ts'
import { places } from '../wire/members.ts'
import type { HelloBody } from '../wire/session.ts'
import { placeAt } from './chains-advance.ts'
import type { Store } from './store.ts'

/** What the last verified hello of a gateway named: under which keys it speaks, and which of the server's it knows. */
export interface Heard {
  /** Its signing key. */
  kid: string
  /** The box key that it sealed to. */
  akid: string
  /** The version of the server entry that it holds. */
  entry: number
  /** The version of the newest binding that it knows. */
  binding: number
}

/**
 * One row for each gateway. `first` are the epochs that its first hello under this entry named, `whole` whether
 * these were all (WIRE 7.1: a hello names 64 at most): every row that it sealed before it had this entry is at or
 * below one of them. `first_by` and `last_by` are hellos (H(PAE), hex) at which all of `first`, and all that this very
 * hello named, was here; `drained` and `empty` tell that the gateway has confirmed the welcome of one, and so sends
 * none of it again.
 */
export const heardSchema = `
CREATE TABLE IF NOT EXISTS heard (
  gateway TEXT PRIMARY KEY,
  kid TEXT NOT NULL, akid TEXT NOT NULL, entry INTEGER NOT NULL, binding INTEGER NOT NULL, at INTEGER NOT NULL,
  first TEXT NOT NULL, whole INTEGER NOT NULL, first_by TEXT, drained INTEGER NOT NULL,
  last_by TEXT, empty INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`

interface HeardRow extends Heard {
  first: string
  whole: number
  drained: number
  at: number
}

/** Most epochs of a hello (WIRE 1.5): where there are as many, there may be more. */
const helloEpochs = 64

/** Keeps what a verified hello named; `name` is its H(PAE), hex. Inside `write`. */
export function keepHeard(store: Store, gateway: string, body: HelloBody, name: string, at: number): void {
  const { kid, akid, versions, epochs } = body
  const { serverEntry: entry, binding } = versions
  const held = store.get<HeardRow>('SELECT * FROM heard WHERE gateway = ?', gateway)
  const isSame = held?.entry === entry
  const keepsFirst = isSame && held.whole === 1
  const first = keepsFirst ? held.first : JSON.stringify(epochs)
  const isWhole = keepsFirst || epochs.length < helloEpochs
  const isDrained = keepsFirst && held.drained === 1
  const isHere = areHeld(store, gateway, epochs)
  const firstIsHere =
    isWhole && (isDrained || (keepsFirst ? areHeld(store, gateway, read(first, gateway)) : isHere))
  store.run(
    `INSERT INTO heard (gateway, kid, akid, entry, binding, at, first, whole, first_by, drained, last_by, empty)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)
     ON CONFLICT DO UPDATE SET kid = excluded.kid, akid = excluded.akid, entry = excluded.entry,
       binding = excluded.binding, at = excluded.at, first = excluded.first, whole = excluded.whole,
       first_by = excluded.first_by, drained = excluded.drained, last_by = excluded.last_by,
       empty = CASE WHEN excluded.last_by IS NULL THEN 0 ELSE empty END`,
    ...[gateway, kid, akid, entry, binding, at, first, isWhole ? 1 : 0],
    ...[firstIsHere ? name : null, isDrained ? 1 : 0, isHere && epochs.length < helloEpochs ? name : null],
  )
}

/** A ready has confirmed the welcome of this hello (WIRE 7.4). Inside `write`. */
export function confirmHeard(store: Store, gateway: string, name: string): void {
  store.run('UPDATE heard SET drained = 1 WHERE gateway = ? AND first_by = ?', gateway, name)
  store.run('UPDATE heard SET empty = 1 WHERE gateway = ? AND last_by = ?', gateway, name)
}

/** What a gateway named last; undefined before its first hello. */
export const lastHeard = (store: Store, gateway: string): Heard | undefined =>
  store.get<Heard>('SELECT kid, akid, entry, binding FROM heard WHERE gateway = ?', gateway)

/** What is known of how far a gateway is with the keys of its server. */
export interface Reported extends Heard {
  /** Whether it sends nothing any more that it may have sealed before it had this entry. */
  drained: boolean
  /** Whether it had nothing left to send when it last spoke. */
  empty: boolean
  at: number
}

const areHeld = (store: Store, gateway: string, epochs: HelloBody['epochs']): boolean =>
  epochs.every(
    ({ epoch, seq, head }) =>
      seq === 0 || placeAt(store, { gateway, epoch, kid: '' }, seq, head) !== undefined,
  )

/** The epochs that were kept. Fault `store.damaged`. */
function read(text: string, gateway: string): HelloBody['epochs'] {
  try {
    return places.parse(JSON.parse(text))
  } catch (cause) {
    throw new Fault('store.damaged', `what gateway ${gateway} named cannot be read`, { cause })
  }
}

/** How far a gateway is; undefined before its first hello. */
export function reportOf(store: Store, gateway: string): Reported | undefined {
  const row = store.get<Heard & { drained: number; empty: number; at: number }>(
    'SELECT kid, akid, entry, binding, drained, empty, at FROM heard WHERE gateway = ?',
    gateway,
  )
  return row === undefined ? undefined : { ...row, drained: row.drained === 1, empty: row.empty === 1 }
}
