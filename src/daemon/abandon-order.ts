import { Fault } from '../base/fault.ts'
import type { AbandonAnswer } from '../control/api-abandon.ts'
import type { Given } from '../outbox/abandon.ts'
import { givenDetail } from '../outbox/abandon.ts'
import { type Order, publicForm } from '../wire/registry.ts'
import type { PublicStatement } from '../wire/statement.ts'
import { type VerbArgs, verbArgs } from '../wire/verbs.ts'
import { provenOrder } from './commands-judge.ts'
import type { Gateway } from './gateway.ts'

/** The statement in a file that a person carried here. */
function readOrder(text: string): PublicStatement {
  try {
    const read = publicForm.safeParse(JSON.parse(text))
    if (read.success) return read.data
  } catch {
    // no JSON: told below, as anything else that is no order
  }
  throw new Fault('wire.malformed', 'the file is no order', {
    hint: 'the operator writes it: vitalgate-receiver command send GATEWAY abandon --arg … --order FILE',
  })
}

/** What an order of this gateway wants given up; `now` is the time by which it is judged, if any is known (WIRE 9.14). */
function judged(order: Order, gateway: string, now: number | undefined): VerbArgs<'abandon'> {
  if (order.gateway !== gateway) {
    throw new Fault('command.order-foreign', `the order is for gateway ${order.gateway}, this is ${gateway}`)
  }
  if (order.verb !== 'abandon') {
    throw new Fault(
      'command.order-foreign',
      `the order is for ${order.verb}: only abandon is taken from a file`,
    )
  }
  if (now !== undefined && now >= order.until) {
    throw new Fault('command.order-late', `the order ran out ${now - order.until} ms ago`, {
      hint: 'ask the operator for a new one',
    })
  }
  return verbArgs('abandon', order.args)
}

/**
 * Gives up rows by an order that a person carried to the box, for the case that nobody can command it; first it only
 * tells what would be lost. Done again, it says so. Faults `wire.…`, `command.order-…`, `abandon.refused`.
 */
export const abandonByFile =
  ({ link: linkNow, steady, abandoning, identity, parts: { moments } }: Gateway) =>
  async ({ order: text, agreed }: { order: string; agreed: boolean }): Promise<AbandonAnswer> => {
    await steady()
    const link = linkNow()
    const who = identity()
    if (link === undefined || who.phase === 'fresh') {
      throw new Fault('identity.unprovisioned', 'this box has no route to a server that could be told')
    }
    const form = readOrder(text)
    const order = provenOrder(form, link.book())
    const { wall, source } = moments.at()
    const what = judged(order, who.gateway, link.serverTime() ?? (source === 'ntp' ? wall : undefined))
    const { intent, operator } = order
    const told = (state: AbandonAnswer['state'], given: Omit<Given, 'intent'>): AbandonAnswer => ({
      ...{ state, intent, operator },
      ...{ what: given.what, id: given.named, rows: given.rows, first: given.first, last: given.last },
    })
    const known = await abandoning.given(intent)
    if (known !== undefined) return told('already', known)
    if (!agreed) {
      const { rows = null, first = null, last = null } = (await abandoning.look(what)) ?? {}
      const named =
        'key' in what
          ? { what: 'key' as const, named: what.key }
          : { what: 'server' as const, named: what.server }
      return told('asked', { ...named, rows, first, last })
    }
    const given = await abandoning.give(what, intent, form, new AbortController().signal)
    const members = { intent, outcome: 'done' as const, detail: givenDetail(given) }
    await (linkNow() ?? link).take({ type: 'result', time: moments.at(), members })
    return told('done', given)
  }
