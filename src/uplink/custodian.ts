import type { Parcel } from '../wire/envelope.ts'
import type { Sealed } from '../wire/message.ts'
import type { HelloBody, ReceiptBody, WelcomeBody } from '../wire/session.ts'
import type { Statement } from '../wire/statement.ts'

/** A row that waits for a receipt; ids rise with age and are never used twice. */
export interface Row {
  id: number
  parcel: Parcel
}

/** What a receipt or a welcome changed in the outbox. */
export interface Settled {
  receipted: number
  /** Rows that are queued again: ask `due` from the start. */
  reopened: number
  forgotten: number
  /** Per epoch answered: no row at or below seq waits any more. */
  upTo: { epoch: string; seq: number }[]
  /** Answers that changed nothing, because their head is not ours. */
  refused: { epoch: string; seq: number }[]
}

/** What a hello says beside what custody adds: the parties, the epochs and the token. */
export type HelloMembers = Pick<HelloBody, 'nonce' | 'boot' | 'software' | 'drivers' | 'clock' | 'versions'>

/** What the uplink needs of whoever holds the outbox and the signing key. */
export interface Custodian {
  /** A signed and sealed hello with the epochs and the token that are on disk. */
  hello(members: HelloMembers): Promise<Sealed>
  /** Writes the welcome's token to disk, then answers with the sealed ready. */
  ready(welcome: WelcomeBody, seen: string): Promise<Sealed>
  /** Rows of this server that wait for a receipt, in order of id, those after `afterId`. */
  due(afterId: number, limit: number): Promise<Row[]>
  /** Settles by a welcome whose signature is verified (WIRE 7.6 to 7.8). */
  welcome(body: WelcomeBody, statement: Statement): Promise<Settled>
  /** Settles by a receipt whose signature is verified; `receipt.refused`, and nothing changed, if it is not for us. */
  receipt(body: ReceiptBody, statement: Statement): Promise<Settled>
}
