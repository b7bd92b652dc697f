import type Database from 'better-sqlite3'
import { unbase64url } from '../base/bytes.ts'
import { boxPublic, verifyKey } from '../wire/keys.ts'
import type { Enrolled, Moved, Registry } from './registry.ts'
import { believe, disbelieved, type OrNone } from './registry-believe.ts'
import type { Remembering } from './registry-remember.ts'
import type { Roots } from './registry-roots.ts'
import { newestRows, rowsAbove, type StatementRow } from './registry-rows.ts'

/** What bindings say, to this server and to others. */
export type Bindings = Pick<
  Registry,
  'gateway' | 'moved' | 'bindingAt' | 'underRoot' | 'former' | 'bindings' | 'bound' | 'gateways'
>

/** Opens the bindings of a server. Rows that are not believed count as none. */
export function openBindings(
  db: Database.Database,
  server: string,
  roots: Roots,
  known: Remembering,
  orNone: OrNone,
): Bindings {
  const newest = newestRows(db)
  const above = rowsAbove(db)
  const subjects = db
    .prepare<[], string>("SELECT DISTINCT subject FROM statements WHERE type = 'binding' ORDER BY subject")
    .pluck()

  function readBinding(row: StatementRow): Enrolled | undefined {
    const body = believe('binding', row, roots.of(row))
    if (body.server !== server) return undefined
    return {
      gateway: body.gateway,
      site: body.site,
      version: body.version,
      since: body.since,
      verifyKey: verifyKey(unbase64url(body.keys.sign)),
      boxPublic: boxPublic(unbase64url(body.keys.box)),
      tls: body.keys.tls,
    }
  }

  const bindings = known.each(gateway =>
    above('binding', gateway, 0).flatMap(row => orNone(() => readBinding(row) ?? [], [])),
  )
  const moves = known.each((gateway): { to: Moved | undefined } => {
    const [row] = newest('binding', gateway)
    if (row === undefined) return { to: undefined }
    const body = orNone(() => believe('binding', row, roots.of(row)), undefined)
    if (body === undefined || body.server === server) return { to: undefined }
    const { kid } = verifyKey(unbase64url(body.keys.sign))
    return { to: { server: body.server, version: body.version, since: body.since, kid } }
  })
  const gateways = known.each(gateway => {
    const [row] = newest('binding', gateway)
    if (row === undefined) return undefined
    return orNone(() => {
      const held = readBinding(row)
      // moved: what it had here stays, for the rows that it sealed to this server
      if (held === undefined) return bindings(gateway).at(-1)
      if (!roots.isOfToday(row)) throw disbelieved(row, 'it is under a former root')
      return held
    }, undefined)
  })
  const bound = (gateway: string, kid: string): Enrolled | undefined =>
    bindings(gateway).findLast(one => one.verifyKey.kid === kid)

  return {
    gateway: gateways,
    moved: gateway => moves(gateway).to,
    bindingAt: (gateway, version) =>
      above('binding', gateway, version - 1)
        .filter(row => row.version === version)
        .map(row => orNone(() => believe('binding', row, roots.of(row)).server, undefined))[0],
    underRoot: gateway => {
      const began = roots.succession()
      if (began === undefined) return undefined
      return above('binding', gateway, 0).find(row => row.id > began.id)?.version
    },
    former: (gateway, kid) =>
      gateways(gateway)?.verifyKey.kid === kid ? undefined : bound(gateway, kid)?.verifyKey,
    bindings,
    bound,
    gateways: () => subjects.all(),
  }
}
