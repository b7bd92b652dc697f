import type { ReadingBody } from '../wire/chained.ts'
import type { Store } from './store.ts'

/** Where a device is, as its gateway told: the tag of its port, and whether it is paired (WIRE 6.6). */
export interface Wiring {
  port?: string
  bonded?: boolean
}

/**
 * Of readings that wait in quarantine: the port that they came from, so that whoever accepts a device at one port
 * does not release what came from another.
 */
export const portsSchema = `
CREATE TABLE IF NOT EXISTS reading_ports (
  reading INTEGER PRIMARY KEY REFERENCES readings, port TEXT NOT NULL
) STRICT;
`

/** What a proposal told of the device's port; nothing where it told none, or is not in this store. */
export function proposedWiring(store: Store, proposal: string): Wiring {
  const row = store.get<{ port: string | null; bonded: number | null }>(
    `SELECT json_extract(detail, '$.port') AS port, json_extract(detail, '$.bonded') AS bonded
     FROM events WHERE hash = ? AND event = 'device-proposed'`,
    proposal,
  )
  if (row === undefined) return {}
  const { port, bonded } = row
  return { ...(port === null ? {} : { port }), ...(bonded === null ? {} : { bonded: bonded === 1 }) }
}

/** Why a reading comes from another place than its accepted proposal told; undefined if it does not (WIRE 6.6). */
export function foreignPort({ device, link }: ReadingBody, accepted: Wiring): string | undefined {
  if (link.port !== undefined && accepted.port !== undefined && link.port !== accepted.port) {
    return `device ${device} is accepted at port ${accepted.port}, not ${link.port}`
  }
  if (link.kind === 'ble' && accepted.bonded === true && link.bonded !== true) {
    return `device ${device} is accepted as paired, and this came without`
  }
  return undefined
}

/** Keeps the port of a reading that waits. Inside `write`. */
export function keepPort(store: Store, reading: number, { link }: Pick<ReadingBody, 'link'>): void {
  if (link.port === undefined) return
  store.run('INSERT INTO reading_ports (reading, port) VALUES (?, ?)', reading, link.port)
}
