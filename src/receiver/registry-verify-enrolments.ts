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
import { placeOf, type StatementRow, statementOf } from './registry-rows.ts'
import type { RegistryProblem } from './registry-verify.ts'
import { paths } from './state.ts'
import type { Store } from './store.ts'

/** Whether a certificate names this gateway and key, and our authority issued it. */
function certifies(certificate: string, authority: X509Certificate, row: EnrolmentRow): boolean {
  try {
    const held = new X509Certificate(certificate)
    return (
      held.subject === `CN=${row.gateway}` &&
      certificatePin(certificate) === row.tls_key &&
      held.verify(authority.publicKey)
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
): Promise<RegistryProblem[]> {
  const problems: RegistryProblem[] = []
  const authority = new X509Certificate(readTextFile(paths(state).authorityCertificate))
  const rows = store.all<EnrolmentRow>('SELECT * FROM enrolments ORDER BY gateway, version')
  const bindings = new Map(
    statements.filter(row => row.type === 'binding').map(row => [`${row.version} ${row.subject}`, row]),
  )
  for (const row of rows) {
    const place = enrolmentName(row)
    const tell = (problem: string) => problems.push({ place, problem })
    const name = `${row.version} ${row.gateway}`
    const binding = bindings.get(name)
    bindings.delete(name)
    if (!certifies(row.certificate, authority, row)) tell('its certificate is not the one of this box')
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
    problems.push({ place: placeOf(binding), problem: 'it has no enrolment' })
  }
  return [...problems, ...checkSuccession(registry, statements)]
}

/** A binding with other keys is entered only after the keys before it were revoked. */
function checkSuccession(registry: Registry, statements: readonly StatementRow[]): RegistryProblem[] {
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
      const revocation = registry.revoked(keyId('ed25519', unbase64url(before)))
      const id = revocation === undefined ? undefined : entered.get(`${revocation.number}`)
      if (id !== undefined && id < row.id) return []
      return [{ place: placeOf(row), problem: 'it names new keys, and those before were not revoked' }]
    })
}
