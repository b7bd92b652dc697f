import type { Clock } from '../base/clock.ts'
import type { EventName } from '../wire/chained.ts'
import type { Flag } from '../wire/flags.ts'
import { type Alert, type AlertKind, addAlert, type ChannelName } from './alerts.ts'
import type { Store } from './store.ts'

/** Rows that are looked through, and alerts that are made, in one transaction. */
const turn = { rows: 5000, alerts: 200 }

/**
 * Flags whose detail is in the receiver's own words, made of numbers, hashes and names that a technician gave.
 * The detail of every other flag may quote what a stranger sent: an alert leaves the house without it.
 */
const ownWords: ReadonlySet<string> = new Set<Flag>([
  'GAP',
  'FORK',
  'CLONE_SUSPECT',
  'SERVER_KEY_UNPINNED',
  'DEVICE_UNREGISTERED',
])

const eventKinds: Partial<Record<EventName, AlertKind>> = {
  'intake-near-full': 'outbox-near-full',
  'intake-refused': 'outbox-refused',
  'keys-proposed': 'keys-proposed',
}

interface FlagRow {
  id: number
  flag: Flag
  gateway: string | null
  device: string | null
  at: number
  detail: string
}

interface EventRow {
  id: number
  gateway: string
  event: EventName
  detail: string
  received: number
}

/** What an alert says of a flag. BROKER_REFUSED begins with one of our own words: what was tried. */
function detailOf({ id, flag, detail }: FlagRow): string {
  const show = `see: vitalgate-receiver flags show ${id}`
  if (ownWords.has(flag)) return `${detail}; ${show}`
  const reason = flag === 'BROKER_REFUSED' ? /^[a-z-]{3,24}(?=[ ,])/.exec(detail)?.[0] : undefined
  return reason === undefined ? show : `${reason}; ${show}`
}

const alertOfFlag = (row: FlagRow): Alert => ({
  kind: 'flag',
  flag: row.flag,
  act: row.id,
  gateway: row.gateway,
  device: row.device,
  detail: detailOf(row),
  at: row.at,
})

const mebibytes = (bytes: unknown): string => (Number(bytes) / 2 ** 20).toFixed(1)

function alertOfEvent(row: EventRow): Alert {
  const { gateway, event, received } = row
  return { kind: eventKinds[event]!, gateway, detail: eventDetail(row), at: received }
}

function eventDetail({ event, detail }: EventRow): string {
  // news, and nothing of what the request says: a person reads that with the six words beside it
  if (event === 'keys-proposed') {
    return 'the box wants to go on under new keys; see: vitalgate-receiver registry waiting'
  }
  const { used, quota } = JSON.parse(detail) as { used?: unknown; quota?: unknown }
  return `the box uses ${mebibytes(used)} of ${mebibytes(quota)} MiB for what has no receipt yet`
}

/** A table that is only appended to, and what of it operators are told. */
interface Source {
  name: string
  top: string
  rows: string
  alertOf(row: never): Alert
}

const sources: readonly Source[] = [
  {
    name: 'alerts flags',
    top: 'SELECT max(id) AS id FROM flag_acts',
    rows: `SELECT id, flag, gateway, device, at, detail FROM flag_acts
           WHERE id > ? AND id <= ? AND act = 'raised' ORDER BY id LIMIT ?`,
    alertOf: alertOfFlag,
  },
  {
    name: 'alerts events',
    top: 'SELECT max(id) AS id FROM events',
    rows: `SELECT id, gateway, event, detail, received FROM events
           WHERE id > ? AND id <= ? AND event IN ('intake-near-full', 'intake-refused', 'keys-proposed')
           ORDER BY id LIMIT ?`,
    alertOf: alertOfEvent,
  },
]

/**
 * Makes alerts of the flags and events that came since it last looked, restarts included: how far it came is kept
 * in the database and moves with the alerts. At the very first start it begins with what comes from then on.
 */
export function watchFlags(store: Store, to: readonly ChannelName[], clock: Clock): { look(): void } {
  const reached = new Map(sources.map(({ name }) => [name, -1]))
  const topOf = ({ top }: Source): number => store.get<{ id: number | null }>(top)?.id ?? 0
  store.write(() => {
    for (const source of sources) {
      store.run(
        'INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING',
        source.name,
        topOf(source),
      )
    }
  })

  function take(source: Source, top: number): number {
    const { name, rows, alertOf } = source
    const mark = store.get<{ value: number }>('SELECT value FROM facts WHERE name = ?', name)?.value ?? top
    const upTo = Math.min(top, mark + turn.rows)
    const found = store.all<{ id: number }>(rows, mark, upTo, turn.alerts)
    for (const row of found) addAlert(store, to, alertOf(row as never), clock.now())
    const next = found.length < turn.alerts ? Math.max(mark, upTo) : found.at(-1)!.id
    store.run('UPDATE facts SET value = ? WHERE name = ?', next, name)
    return next
  }

  return {
    look: () => {
      for (const source of sources) {
        const top = topOf(source)
        if (top === reached.get(source.name)) continue
        reached.set(
          source.name,
          store.write(() => take(source, top)),
        )
      }
    },
  }
}
