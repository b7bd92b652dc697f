import { X509Certificate } from 'node:crypto'
import { unbase64url } from '../base/bytes.ts'
import { isFault } from '../base/fault.ts'
import { readTextFile } from '../base/files.ts'
import { keyId } from '../wire/keys.ts'
import { decodeBody } from '../wire/statement.ts'
import { certificatePin } from './authority.ts'
import { checkRequest } from './enrol.ts'
import type { Registry } from './registry.ts'
import { type EnrolmentRow, enrolmentName } from './registry-enrolments.ts'
import { namedServer, placeOf, type StatementRow, statementOf } from './registry-rows.ts'
import type { RegistryProblem } from './registry-verify.ts'
import { type RenewalRow, renewalPlace } from './renewals.ts'
import { proposalOf, proposalSays, type RotationRow } from './rotations.ts'
import { paths } from './state.ts'
import type { Store } from './store.ts'

/** Whether a certificate names this gateway and key, and our authority issued it. */
function certifies(
  certificate: string,
  authorities: readonly X509Certificate[],
  row: Pick<EnrolmentRow, 'gateway' | 'tls_key'>,
): boolean {
  try {
    const held = new X509Certificate(certificate)
    return (
      held.subject === `CN=${row.gateway}` &&
      certificatePin(certificate) === row.tls_key &&
      authorities.some(one => held.verify(one.publicKey))
    )
  } catch {
    // whatever node:crypto throws, it is none; its errors have no class to ask for
    return false
  }
}

/** The keys that a binding names, as far as it can be read; what cannot is told as a statement. */
function boundKeys(row: StatementRow): { sign?: unknown; box?: unknown; tls?: unknown } {
  try {
    return decodeBody(statementOf(row).body).keys as object
  } catch {
    return {}
  }
}

/** Each enrolment: its request in order, its keys those of request and binding, its certificate ours. */
export async function checkEnrolments(
  state: string,
  store: Store,
  registry: Registry,
  statements: readonly StatementRow[],
  going: () => void = () => undefined,
): Promise<RegistryProblem[]> {
  const problems: RegistryProblem[] = []
  // those of former entries as well: a CA may be given up, and what it issued was right in its day
  const known = [
    readTextFile(paths(state).authorityCertificate),
    ...registry.entries().flatMap(one => one.ca),
  ]
  const authorities = [...new Set(known)].map(one => new X509Certificate(one))
  const rows = store.all<EnrolmentRow>('SELECT * FROM enrolments ORDER BY gateway, version')
  const bindings = new Map(
    statements.filter(row => row.type === 'binding').map(row => [`${row.version} ${row.subject}`, row]),
  )
  const signKeys = new Set(rows.map(row => `${row.gateway} ${row.sign_key}`))
  for (const row of rows) {
    going()
    const place = enrolmentName(row)
    const tell = (problem: string) => problems.push({ place, problem })
    const name = `${row.version} ${row.gateway}`
    const binding = bindings.get(name)
    bindings.delete(name)
    if (!certifies(row.certificate, authorities, row)) tell('its certificate is not the one of this box')
    try {
      const { body, csr } = await checkRequest(row.request, 'its request')
      const { sign, box } = body.keys
      const keys = [row.gateway, row.sign_key, row.box_key, row.tls_key].join()
      if ([body.gateway, sign, box, csr.pin].join() !== keys) tell('its keys are not those of its request')
    } catch (error) {
      if (!isFault(error, 'input.invalid')) throw error
      tell(error.message)
    }
    if (binding === undefined) tell('it has no binding')
    else {
      const { sign, box, tls } = boundKeys(binding)
      if (sign !== row.sign_key || box !== row.box_key || tls !== row.tls_key) {
        tell('its keys are not those of its binding')
      }
    }
  }
  for (const binding of bindings.values()) {
    // the request behind it lies with the server that it names
    if (namedServer(binding) !== registry.server.id) continue
    const { sign } = boundKeys(binding)
    // bound anew with the keys that it had: under the next root, or back from another server
    if (signKeys.has(`${binding.subject} ${String(sign)}`)) continue
    problems.push({ place: placeOf(binding), problem: 'it has no enrolment' })
  }
  const renewals = store.all<RenewalRow>('SELECT * FROM renewals ORDER BY gateway, number')
  for (const row of renewals) {
    if (certifies(row.certificate, authorities, row)) continue
    problems.push({ place: renewalPlace(row), problem: 'its certificate is not the one of this box' })
  }
  return [...problems, ...checkSuccession(store, registry, statements)]
}

/** Whether an earlier key of a gateway signed that it wants to go on under this one (WIRE 9.9). */
function isProposed(store: Store, registry: Registry, gateway: string, kid: string): boolean {
  const server = registry.server.id
  const rows = store.all<RotationRow>('SELECT * FROM rotations WHERE gateway = ? AND kid = ?', gateway, kid)
  return rows.some(row => {
    const key = registry.bound(gateway, row.by_kid)?.verifyKey
    const { request } = row
    return key !== undefined && proposalSays(proposalOf(row), { gateway, server, request, key }) !== undefined
  })
}

/** A binding with other keys is entered only after the keys before it were revoked, or where they asked for it. */
function checkSuccession(
  store: Store,
  registry: Registry,
  statements: readonly StatementRow[],
): RegistryProblem[] {
  const entered = new Map<string, number>()
  for (const row of statements) if (row.type === 'revocation') entered.set(`${row.version}`, row.id)
  const last = new Map<string, string>()
  return statements
    .filter(row => row.type === 'binding')
    .sort((a, b) => a.version - b.version)
    .flatMap(row => {
      const { sign } = boundKeys(row)
      if (typeof sign !== 'string') return []
      const before = last.get(row.subject)
      last.set(row.subject, sign)
      if (before === undefined || before === sign) return []
      // what happened at another server that one's registry shows
      if (namedServer(row) !== registry.server.id) return []
      const revocation = registry.revoked(keyId('ed25519', unbase64url(before)))
      const id = revocation === undefined ? undefined : entered.get(`${revocation.number}`)
      if (id !== undefined && id < row.id) return []
      if (isProposed(store, registry, row.subject, keyId('ed25519', unbase64url(sign)))) return []
      return [{ place: placeOf(row), problem: 'it names new keys, and those before were not revoked' }]
    })
}
