import { plainJson, plainWord } from '../base/plain.ts'
import type { Flag } from '../wire/flags.ts'
import type { Store } from './store.ts'

/** What operators are told of. A closed list, in docs/CLI.md. */
export type AlertKind =
  | 'flag'
  | 'gateway-silent'
  | 'gateway-back'
  | 'device-silent'
  | 'outbox-near-full'
  | 'outbox-refused'
  | 'keys-proposed'
  | 'gateway-held'
  | 'gateway-released'
  | 'gateway-outdated'
  | 'certificate-ends'
  | 'entry-ends'
  | 'store-damaged'
  | 'test'

/** The ways to an operator: `--on-flag` and `--on-flag-url`. */
export const channelNames = ['command', 'url'] as const
export type ChannelName = (typeof channelNames)[number]

/** Something that operators should know. `detail` is in our own words: no value, no band, nothing quoted. */
export interface Alert {
  kind: AlertKind
  flag?: Flag
  /** The number of the flag, for `flags show`. */
  act?: number
  gateway: string | null
  device?: string | null
  detail: string
  /** When it happened, by the receiver's clock. */
  at: number
}

/** A row of the queue: an alert on its way through one channel. */
export interface QueuedAlert {
  id: number
  alert: number
  channel: ChannelName
  kind: AlertKind
  flag: string | null
  act: number | null
  gateway: string | null
  device: string | null
  detail: string
  at: number
  count: number
  queued: number
  attempts: number
  state: 'waiting' | 'delivered' | 'undelivered'
  settled: number | null
  why: string | null
}

/** The span in which alerts are counted; a summary is held as long, so that it is one. */
export const windowMs = 600_000
/** Alerts of one kind (each flag is a kind of its own) and gateway that are told one by one in a window. */
export const gatewayLimit = 20
/** The same over all gateways: a line that is down makes a whole country silent at once. */
export const kindLimit = 60
/** After so many tries an alert does not arrive (`alert.undelivered`), and the first that does shows that the way is open again. */
export const downAfter = 3
/** Alerts that wait in a channel; with more waiting, nothing is told one by one. */
const waitingLimit = 5000
const detailLimit = 300

/**
 * Puts an alert into the queue of each channel. What exceeds the limits is not told by itself but counted in one
 * summary of its kind and gateway, or of its kind. Inside `write`, with whatever the alert is about.
 */
export function addAlert(store: Store, to: readonly ChannelName[], alert: Alert, now: number): void {
  const { kind, flag, gateway, detail } = alert
  const told = store.get<{ all: number; here: number }>(
    `SELECT count(DISTINCT alert) AS "all", count(DISTINCT CASE WHEN gateway IS ? THEN alert END) AS here
     FROM alerts WHERE kind = ? AND flag IS ? AND queued > ? AND queued <= ? AND summary = 0`,
    gateway,
    kind,
    flag ?? null,
    now - windowMs,
    now,
  ) ?? { all: 0, here: 0 }
  let number: number | undefined
  for (const channel of to) {
    const tooMany = told.all >= kindLimit || waiting(store, channel) >= waitingLimit
    if (told.here < gatewayLimit && !tooMany) {
      number ??= nextNumber(store)
      insert(store, number, channel, { ...alert, detail: plainWord(detail).slice(0, detailLimit) }, now)
      continue
    }
    const summary = { kind, ...(flag === undefined ? {} : { flag }), gateway: tooMany ? null : gateway }
    if (addToSummary(store, channel, summary)) continue
    number ??= nextNumber(store)
    insert(store, number, channel, { ...summary, detail: summaryDetail, at: alert.at }, now, true)
  }
}

const summaryDetail =
  'more of this kind than are told one by one; all are listed: vitalgate-receiver flags list'

const waiting = (store: Store, channel: ChannelName): number =>
  store.get<{ n: number }>(
    "SELECT count(*) AS n FROM alerts WHERE channel = ? AND state = 'waiting'",
    channel,
  )?.n ?? 0

/** A number that no alert had before, deleted ones included. */
const nextNumber = (store: Store): number =>
  store.get<{ value: number }>(
    `INSERT INTO facts (name, value) VALUES ('alerts', 1)
     ON CONFLICT DO UPDATE SET value = value + 1 RETURNING value`,
  )!.value

function insert(
  store: Store,
  number: number,
  channel: ChannelName,
  alert: Alert,
  now: number,
  summary = false,
): void {
  store.run(
    `INSERT INTO alerts (alert, channel, kind, flag, act, gateway, device, detail, at, summary, queued, next)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    number,
    channel,
    alert.kind,
    alert.flag ?? null,
    alert.act ?? null,
    alert.gateway,
    alert.device ?? null,
    alert.detail,
    alert.at,
    summary ? 1 : 0,
    now,
    summary ? now + windowMs : now,
  )
}

/** Counts one more in the summary that is not told yet; false if there is none. */
function addToSummary(
  store: Store,
  channel: ChannelName,
  { kind, flag, gateway }: Omit<Alert, 'detail' | 'at'>,
) {
  const { changes } = store.run(
    `UPDATE alerts SET count = count + 1
     WHERE kind = ? AND flag IS ? AND gateway IS ? AND channel = ? AND summary = 1 AND attempts = 0
       AND state = 'waiting'`,
    kind,
    flag ?? null,
    gateway,
    channel,
  )
  return changes > 0
}

/** An alert as it is told, and as `alerts list --json` begins. What is not known is absent. */
export const alertMembers = (row: QueuedAlert) => ({
  alert: row.alert,
  kind: row.kind,
  ...(row.flag === null ? {} : { flag: row.flag }),
  ...(row.act === null ? {} : { flagId: row.act }),
  ...(row.gateway === null ? {} : { gateway: row.gateway }),
  ...(row.device === null ? {} : { device: row.device }),
  detail: row.detail,
  at: new Date(row.at).toISOString(),
  count: row.count,
})

/** Whether a row is a fault `alert.undelivered`: given up, or tried in vain again and again. */
export const isUndelivered = ({ state, attempts }: QueuedAlert): boolean =>
  state === 'undelivered' || (state === 'waiting' && attempts >= downAfter)

/** The one line of JSON that a channel gets. */
export const alertLine = (row: QueuedAlert): string => `${plainJson(alertMembers(row))}\n`

/** Puts a test into the queue of each channel, whatever the limits; gives its number. Inside `write`. */
export function addTest(store: Store, to: readonly ChannelName[], now: number): number {
  const number = nextNumber(store)
  const detail = 'a test: somebody typed vitalgate-receiver alerts test'
  for (const channel of to)
    insert(store, number, channel, { kind: 'test', gateway: null, detail, at: now }, now)
  return number
}

/** The newest alerts, oldest first; `undelivered` only those that did not arrive, or not yet. */
export function listAlerts(
  store: Store,
  filter: { undelivered?: boolean; number?: number; limit?: number },
): QueuedAlert[] {
  return store
    .all<QueuedAlert>(
      `SELECT * FROM alerts WHERE (? = 0 OR state <> 'delivered') AND (? IS NULL OR alert = ?)
       ORDER BY id DESC LIMIT ?`,
      filter.undelivered === true ? 1 : 0,
      filter.number ?? null,
      filter.number ?? null,
      filter.limit ?? -1,
    )
    .reverse()
}
