import type { EventDetail } from '../wire/chained.ts'
import { readIntent } from './commands.ts'
import type { Store } from './store.ts'
import { raiseSampled } from './suspicion.ts'

const timeOf = (at: number): string => `${new Date(at).toISOString().slice(0, 16)}Z`

/** How many rows, and of which time by the gateway's clock. */
function amount({ rows, first, last }: EventDetail<'abandoned'>): string {
  if (rows === null) return 'rows that nobody could count'
  if (first === null || last === null) return `${rows} rows`
  return `${rows} rows, taken ${timeOf(first)} to ${timeOf(last)},`
}

/** An operator had a gateway give up rows (WIRE 9.14): a gap, where one of them had no receipt. Inside `write`. */
export function takeAbandoned(
  store: Store,
  gateway: string,
  detail: EventDetail<'abandoned'>,
  at: number,
): void {
  const { intent, what, id, rows } = detail
  if (rows === 0) return
  const known = readIntent(store, intent)
  const isOurs = known?.gateway === gateway && known.verb === 'abandon'
  const whose = what === 'server' ? `for former server ${id}` : `under revoked key ${id} and those before it`
  const by = isOurs
    ? `by order ${intent} of this server`
    : `by order ${intent}, which this server did not store`
  raiseSampled(store, { flag: 'GAP', gateway, detail: `${amount(detail)} ${whose} were given up ${by}`, at })
}
