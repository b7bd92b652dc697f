import type { Parcel } from '../wire/envelope.ts'
import type { Sealed } from '../wire/message.ts'
import type { HelloBody, ReceiptBody, WelcomeBody } from '../wire/session.ts'
import type { Statement } from '../wire/statement.ts'

/** A row that waits for its receipt. */
export interface Row {
  id: number
  parcel: Parcel
}

/** What a receipt or a welcome changed in the outbox. */
export interface Settled {
  receipted: number
  reopened: number
  forgotten: number
  /** What the server confirmed, by epoch. */
  upTo: { epoch: string; seq: number }[]
}

/** HELLO's members that the uplink knows; parties, epochs and token come from whoever holds the outbox. */
export type HelloMembers = Pick<HelloBody, 'nonce' | 'boot' | 'software' | 'drivers' | 'clock' | 'versions'>

/** What the uplink needs of whoever holds the outbox and the signing key. */
export interface Custodian {
  hello(members: HelloMembers): Promise<Sealed>
  ready(welcome: WelcomeBody, seen: string): Promise<Sealed>
  /** Unreceipted rows with an id above `afterId`, oldest first, at most `limit`. */
  due(afterId: number, limit: number): Promise<Row[]>
  sent(ids: number[]): Promise<void>
  welcome(body: WelcomeBody, statement: Statement): Promise<Settled>
  receipt(body: ReceiptBody, statement: Statement): Promise<Settled>
}
