import { isFault } from '../base/fault.ts'
import type { OutboxReport } from '../control/api.ts'
import type { Book } from '../identity/registry-book.ts'
import type { Forsaken } from '../outbox/abandon.ts'
import type { VerifyReport } from '../outbox/verify.ts'
import { publicForm, verifyRegistry } from '../wire/registry.ts'
import { decodeBody, unpublish } from '../wire/statement.ts'

/** Whose orders count, and which key must not have been given up. */
export interface ProvenFor {
  gateway: string
  /** The present signing key. */
  kid: string
  book: Pick<Book, 'operators'>
}

/** Whether an operator ordered it: any who was certified here, be he revoked by now or not. */
function isOrdered({ orders, intent, kid }: Forsaken, { gateway, kid: present, book }: ProvenFor): boolean {
  try {
    const statement = unpublish(publicForm.parse(JSON.parse(orders)))
    const key = book.operators.get(String(decodeBody(statement.body).kid))?.key
    if (key === undefined || kid === present) return false
    const order = verifyRegistry('order', statement, key)
    const { key: revoked } = order.args
    return (
      order.gateway === gateway &&
      order.intent === intent &&
      order.verb === 'abandon' &&
      revoked !== undefined
    )
  } catch (error) {
    // no order at all: somebody wrote into the file
    if (isFault(error) || error instanceof Error) return false
    throw error
  }
}

/** The report for people: rows that were given up by nobody's order are missing. */
export function provenAbandoned(report: VerifyReport, by: ProvenFor): OutboxReport {
  const { abandoned = [], problems, ...sums } = report
  const ordered = abandoned.filter(one => isOrdered(one, by))
  const missing = abandoned
    .filter(one => !ordered.includes(one))
    .map(({ epoch }) => ({ epoch, seq: 0, problem: 'missing' as const, declared: false }))
  return {
    ...sums,
    problems: [...problems, ...missing],
    abandoned: ordered.map(({ epoch, rows, intent }) => ({ epoch, rows, intent })),
  }
}
