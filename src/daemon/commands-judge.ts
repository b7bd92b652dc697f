import { Fault } from '../base/fault.ts'
import type { Book } from '../identity/registry-book.ts'
import type { CommandLine } from '../uplink/session.ts'
import type { Args } from '../wire/members.ts'
import { type Order, verifyRegistry } from '../wire/registry.ts'
import type { CommandBody } from '../wire/session.ts'
import { decodeBody, type PublicStatement, unpublish } from '../wire/statement.ts'
import { isObeyedBelow, isVerb, type VerbArgs, type VerbName, verbArgs, verbs } from '../wire/verbs.ts'

/** How old a hello may be whose nonce a command names, steady time (WIRE 7.12). */
const freshMs = 300_000

/** What is to be done, and with what. */
export interface Judged {
  verb: VerbName
  args: VerbArgs<VerbName>
  /** The operator's order, where the verb is dangerous. */
  order: PublicStatement | null
}

/** What a command is judged by, beside its signature. */
export interface Judging {
  gateway: string
  /** When the server entry runs out, by the server's time. */
  entryUntil: number
  /** The lowest version that the server wants, where this software is below it. */
  outdated?: string | undefined
  book: Pick<Book, 'operators' | 'behind'>
  /** Steady time now. */
  mono: number
}

const sameArgs = (a: Args, b: Args): boolean => {
  const names = Object.keys(a)
  return (
    names.length === Object.keys(b).length &&
    names.every(name => Object.hasOwn(b, name) && a[name] === b[name])
  )
}

/** The server answers a hello of this connection, and soon. */
function checkFresh({ nonce }: CommandBody, line: CommandLine, mono: number): void {
  const sent = line.helloAt(nonce)
  if (sent === undefined) throw new Fault('command.replayed', 'command answers no hello of this connection')
  if (mono - sent < freshMs) return
  throw new Fault('command.late', `command answers a hello of ${mono - sent} ms ago`)
}

/** The server's time by its signed word; before that a command was asked for by nobody. */
function serverTime(line: CommandLine, until: number): number {
  const now = line.serverTime()
  if (now === undefined) throw new Fault('command.replayed', 'command came before the welcome')
  if (now < until) return now
  throw new Fault('command.expired', `the server entry ran out ${now - until} ms ago`)
}

/** The body of an order that an operator signed whom the root certified and nobody revoked. */
export function provenOrder(form: PublicStatement, { operators, behind }: Judging['book']): Order {
  const statement = unpublish(form)
  const { kid } = decodeBody(statement.body)
  const operator = operators.get(String(kid))
  if (operator === undefined) {
    throw new Fault(
      'command.order-unknown',
      `no operator of this gateway has key ${String(kid).slice(0, 16)}`,
    )
  }
  const order = verifyRegistry('order', statement, operator.key)
  if (order.operator !== operator.name) {
    throw new Fault('command.order-unknown', `key ${operator.key.kid} is not that of ${order.operator}`)
  }
  // which revocations are missing nobody knows until the server has handed them over again
  if (operator.revoked || behind) {
    throw new Fault(
      'command.order-revoked',
      `operator ${operator.name} is revoked, or revocations are missing`,
    )
  }
  return order
}

function checkOrder(body: CommandBody, form: PublicStatement, judging: Judging, now: number): void {
  const order = provenOrder(form, judging.book)
  const isThis =
    order.gateway === judging.gateway &&
    order.intent === body.intent &&
    order.verb === body.verb &&
    sameArgs(order.args, body.args)
  if (!isThis) throw new Fault('command.order-foreign', 'the order is for another command')
  if (now < order.until) return
  throw new Fault('command.order-late', `the order ran out ${now - order.until} ms ago`)
}

/**
 * The verb and arguments of a command whose signature has been verified, if this gateway must obey it: the checks of
 * WIRE 7.12 in their order. Faults `command.…`, `wire.…` (the order), `input.invalid` (arguments).
 */
export function judgeCommand(body: CommandBody, line: CommandLine, judging: Judging): Judged {
  checkFresh(body, line, judging.mono)
  const now = serverTime(line, judging.entryUntil)
  const { verb, args, order } = body
  if (!isVerb(verb)) throw new Fault('command.unknown', `there is no verb ${verb}`)
  if (judging.outdated !== undefined && !isObeyedBelow(verb)) {
    throw new Fault('command.outdated', `the server wants version ${judging.outdated}: ${verb} is not obeyed`)
  }
  if (verbs[verb].dangerous) {
    if (order === null) throw new Fault('command.unordered', `${verb} came without an operator's order`)
    checkOrder(body, order, judging, now)
  }
  return { verb, args: verbArgs(verb, args), order }
}
