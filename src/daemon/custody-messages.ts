import type { Bytes } from '../base/bytes.ts'
import { Fault, type FaultCode, isFault } from '../base/fault.ts'
import type { Holding } from '../outbox/outbox.ts'
import type { Salvaged } from '../outbox/salvage.ts'
import type { VerifyReport } from '../outbox/verify.ts'
import type { HelloMembers, Row, Settled } from '../uplink/custodian.ts'
import type { Draft } from '../wire/chained.ts'
import type { Sealed } from '../wire/message.ts'
import type { ReceiptBody, WelcomeBody } from '../wire/session.ts'
import type { Statement } from '../wire/statement.ts'
import type { AbandonRequest } from './custody-abandon.ts'
import type { IntakeFacts } from './custody-intake.ts'

/** Where and for whom custody keeps. Handed to the worker once; the seed is wiped behind it. */
export interface CustodySettings {
  /** The database file. */
  path: string
  /** Never more bytes than this on disk; readings are refused from `intakeBytes` on, which lies below. */
  quotaBytes: number
  intakeBytes: number
  /** How long a receipted row is kept for a server that might be restored, milliseconds. */
  graceMs: number
  /** Gateway id, and the 32-byte seed of its signing key. */
  gateway: string
  seed: Bytes
  /** Server id, and its 32-byte public box key. */
  server: string
  serverBox: Bytes
  /** Version of this program, for epoch-open. */
  software: string
}

/** Where a statement was put; `hash` is H(envelope), hex. */
export interface Place {
  epoch: string
  seq: number
  head: string
  hash: string
}

/** What custody holds, and what it did since it started. */
export interface OutboxStats extends Holding {
  intakeBytes: number
  quotaBytes: number
  intake: IntakeFacts
  since: {
    /** Transactions that wrote statements, and the statements that they took. */
    commits: number
    taken: number
    refused: number
    receipted: number
    reopened: number
    forgotten: number
    lost: number
  }
}

/** A command that is to be written down before it is acted on (WIRE 7.12). */
export interface Begun {
  intent: string
  verb: string
  time: Draft['time']
}

/**
 * What writing it down found: `fresh`, act on it; `open`, it was written down and has no result yet; `ended`,
 * its result stands already, and goes up once more where the server has signed for it.
 */
export type Beginning = 'fresh' | 'open' | 'ended'

/** What the start before has left of commands. */
export interface LeftOver {
  /** Those that had no result: each was answered as interrupted. */
  interrupted: string[]
  /** The place of the result of a wipe that was done and not yet carried through; `waits` for its receipt. */
  wipe: { epoch: string; seq: number; waits: boolean } | undefined
}

/** How large the outbox may become, bytes; as in the settings. */
export type Room = Pick<CustodySettings, 'quotaBytes' | 'intakeBytes'>

/** Each request to the worker: its argument and its answer. */
export interface Calls {
  take: { argument: Draft; answer: Place }
  hello: { argument: HelloMembers; answer: Sealed }
  ready: { argument: { welcome: WelcomeBody; seen: string }; answer: Sealed }
  due: { argument: { afterId: number; limit: number }; answer: Row[] }
  welcome: { argument: { body: WelcomeBody; statement: Statement }; answer: Settled }
  receipt: { argument: { body: ReceiptBody; statement: Statement }; answer: Settled }
  begin: { argument: Begun; answer: Beginning }
  leftOver: { argument: { time: Draft['time'] }; answer: LeftOver }
  /** What it answers, `AbandonCalls` tells. */
  abandon: { argument: AbandonRequest; answer: unknown }
  sealTo: { argument: { serverBox: Bytes }; answer: undefined }
  resize: { argument: Room; answer: undefined }
  stats: { argument: undefined; answer: OutboxStats }
  verify: { argument: { receiptKeys: Bytes[] } | undefined; answer: VerifyReport }
  stop: { argument: undefined; answer: undefined }
}

export type CallName = keyof Calls

/** A request on its way to the worker. */
export type Request = { [N in CallName]: { call: number; name: N; argument: Calls[N]['argument'] } }[CallName]

/** A request as it travels: a draft goes as JSON, which takes half as long as cloning what it holds. */
export type Carried = Exclude<Request, { name: 'take' }> | { call: number; name: 'take'; argument: string }

/** A request that is answered at once, in a transaction. */
export type Prompt = Exclude<Request, { name: 'verify' | 'stop' }>

/** A fault on its way between threads; causes stay behind, they may not be cloneable. */
export interface FaultRecord {
  code: FaultCode
  message: string
  hint: string | undefined
}

/** An answer on its way back. Like requests they travel in lists: what is said at a time, or answered. */
export type Reply = { call: number; value: unknown } | { call: number; fault: FaultRecord }

/** What the worker says unasked: that it is open, or that it could not open or had to give up. */
export type Notice =
  | { notice: 'open'; salvaged: Salvaged | undefined }
  | { notice: 'ended'; fault: FaultRecord }

/** A fault as a record; an error that is none is a bug and tells only its name and message. */
export const recordFault = (error: unknown): FaultRecord =>
  isFault(error)
    ? { code: error.code, message: error.message, hint: error.hint }
    : { code: 'outbox.damaged', message: `custody failed: ${String(error)}`, hint: undefined }

/** The fault that a record tells of. */
export const faultOf = ({ code, message, hint }: FaultRecord): Fault =>
  new Fault(code, message, hint === undefined ? {} : { hint })
