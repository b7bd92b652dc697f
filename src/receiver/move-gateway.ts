import { X509Certificate } from 'node:crypto'
import { unbase64url } from '../base/bytes.ts'
import { Fault, isFault } from '../base/fault.ts'
import type { VerifyKey } from '../wire/keys.ts'
import { type Binding, type Bundle, bundleForm, type ServerEntry, verifyRegistry } from '../wire/registry.ts'
import { decodeBody, type PublicStatement, type Statement, unpublish } from '../wire/statement.ts'
import { certificatePin } from './authority.ts'
import { insertMove } from './moves.ts'
import { isRevoked, type Registry } from './registry.ts'
import { insertStatement, statementAt } from './registry-rows.ts'
import type { Store } from './store.ts'

/** Largest bundle (WIRE 1.5). */
const bundleLimit = 128 * 1024

/** A bundle of another server that was found in order for a gateway of this one. */
export interface CheckedMove {
  binding: Binding
  entry: ServerEntry
  statements: { binding: Statement; entry: Statement }
  certificate: string
}

function under<T extends 'binding' | 'server-entry'>(
  type: T,
  form: PublicStatement,
  roots: readonly VerifyKey[],
) {
  const statement = unpublish(form)
  const { kid } = decodeBody(statement.body)
  const root = roots.find(key => key.kid === kid)
  if (root === undefined) {
    throw new Fault('wire.unknown-key', `its ${type} is under another root than the one of this registry`)
  }
  return { statement, body: verifyRegistry(type, statement, root) }
}

/** Why a certificate does not let this gateway in at that server; undefined if it does (WIRE 9.11). */
function misfits(pem: string, { gateway, keys }: Binding, { ca }: ServerEntry): string | undefined {
  try {
    const held = new X509Certificate(pem)
    if (held.subject !== `CN=${gateway}`) return 'its certificate names another'
    if (certificatePin(pem) !== keys.tls) return 'its certificate is for another key'
    if (held.keyUsage !== undefined && !held.keyUsage.includes('1.3.6.1.5.5.7.3.2')) {
      return 'its certificate is not for clients'
    }
    const isIssued = ca.some(one => {
      const issuer = new X509Certificate(one)
      return held.checkIssued(issuer) && held.verify(issuer.publicKey)
    })
    return isIssued ? undefined : 'its certificate is of no CA of its server entry'
  } catch {
    // errors of node:crypto have no class to ask for
    return 'its certificate cannot be read'
  }
}

/**
 * Checks a bundle with which another server of the same root takes over a gateway of this one, as that gateway will.
 * Faults: `input.invalid` says what is wrong with it, `registry.known` where it is not the next binding.
 */
export function checkMove(registry: Registry, gateway: string, text: string, name: string): CheckedMove {
  const refuse = (why: string, cause?: unknown): Fault =>
    new Fault('input.invalid', `${name} is refused: ${why}`, {
      hint: 'take the bundle that the other server wrote: vitalgate-receiver registry enrol HANDOVER',
      cause,
    })
  const held = registry.gateway(gateway)
  if (held === undefined)
    throw new Fault('registry.unknown', `gateway ${gateway} is not bound to this server`)
  if (isRevoked(registry, gateway)) throw new Fault('registry.known', `gateway ${gateway} was revoked`)
  let bundle: Bundle
  let found: { binding: ReturnType<typeof under<'binding'>>; entry: ReturnType<typeof under<'server-entry'>> }
  try {
    if (Buffer.byteLength(text) > bundleLimit) throw new Fault('input.invalid', 'it is too large')
    bundle = bundleForm.parse(JSON.parse(text))
    const { roots } = registry
    found = {
      binding: under('binding', bundle.binding, roots),
      entry: under('server-entry', bundle.serverEntry, roots),
    }
  } catch (cause) {
    throw refuse(isFault(cause) ? cause.message : 'it is no bundle', cause)
  }
  const [binding, entry] = [found.binding.body, found.entry.body]
  if (binding.gateway !== gateway) throw refuse(`it is for gateway ${binding.gateway}`)
  if (binding.server === registry.server.id) throw refuse('it is of this very server')
  if (entry.server !== binding.server) throw refuse('its binding and server entry name two servers')
  const { sign, tls } = binding.keys
  if (Buffer.compare(unbase64url(sign), held.verifyKey.publicKey) !== 0 || tls !== held.tls) {
    throw refuse('it names other keys than this gateway has')
  }
  const why = misfits(bundle.certificate, binding, entry)
  if (why !== undefined) throw refuse(why)
  const known = registry.versions(gateway).binding
  const isThere = registry.bindingAt(gateway, binding.version) === binding.server
  if (binding.version <= known && !isThere) {
    throw new Fault('registry.known', `binding ${binding.version} does not follow ${known} of ${gateway}`, {
      hint: 'let both servers begin anew: registry show GATEWAY --request FILE on the one that has it',
    })
  }
  const statements = { binding: found.binding.statement, entry: found.entry.statement }
  return { binding, entry, statements, certificate: bundle.certificate }
}

/** Moves a gateway to the server of a checked bundle: handed down with its next hellos. True where it was so already. */
export function moveGateway(
  store: Store,
  registry: Registry,
  { binding, entry, statements, certificate }: CheckedMove,
  { actor, now: at }: { actor: string; now: number },
): boolean {
  const { gateway, version } = binding
  return store.write(() => {
    if (registry.moved(gateway)?.version === version) return true
    if (statementAt(store.db, 'server-entry', entry.server, entry.version) === undefined) {
      const row = { subject: entry.server, version: entry.version, at, actor }
      insertStatement(store.db, { ...row, statement: statements.entry })
    }
    insertStatement(store.db, { subject: gateway, version, statement: statements.binding, at, actor })
    insertMove(store, {
      gateway,
      version,
      server: entry.server,
      entry: entry.version,
      certificate,
      at,
      actor,
    })
    return false
  })
}
