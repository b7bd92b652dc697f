import { hex } from '../base/bytes.ts'
import { isFault } from '../base/fault.ts'
import { envelopeHash } from '../wire/chain.ts'
import type { EventBody } from '../wire/chained.ts'
import { open, readHeader } from '../wire/envelope.ts'
import { bodyOf } from '../wire/message.ts'
import { decodeBody, isSignedBy } from '../wire/statement.ts'
import type { Proposal } from './devices.ts'
import { proposedWiring } from './ports.ts'
import type { Registry } from './registry.ts'
import type { RegistryProblem } from './registry-verify.ts'
import type { Store } from './store.ts'

/** An envelope as it is kept in the chain of its gateway. */
export interface KeptRow {
  hash: string
  kid: string
  envelope: Uint8Array
}

/** What a gateway's kept envelope says, if it is an event under one of the gateway's keys. */
export function saidBy(registry: Registry, gateway: string, row: KeptRow): EventBody | undefined {
  const enrolled = registry.gateway(gateway)
  const key = enrolled?.verifyKey.kid === row.kid ? enrolled.verifyKey : registry.former(gateway, row.kid)
  const envelope = Uint8Array.from(row.envelope)
  if (key === undefined || hex(envelopeHash(envelope)) !== row.hash) return undefined
  try {
    const box = registry.keys.opener(readHeader(envelope).akid)
    if (box === undefined) return undefined
    const statement = open(envelope, box)
    if (statement.type !== 'event' || !isSignedBy(statement, key)) return undefined
    const body = bodyOf('event', decodeBody(statement.body)) as EventBody
    return body.iss === gateway ? body : undefined
  } catch (error) {
    if (isFault(error) && error.code.startsWith('wire.')) return undefined
    throw error
  }
}

/** Each proposal, which an operator reads before he accepts it: whether the gateway signed just this. */
export function checkProposals(store: Store, registry: Registry): RegistryProblem[] {
  return store.all<Proposal>('SELECT * FROM proposals ORDER BY gateway, device').flatMap(proposal => {
    const { gateway, device, driver, station, hash } = proposal
    const place = `proposal ${hash.slice(0, 12)} of ${gateway}`
    const kept = store.get<KeptRow>(
      "SELECT hash, kid, envelope FROM chains WHERE hash = ? AND type = 'event'",
      hash,
    )
    const said = kept === undefined ? undefined : saidBy(registry, gateway, kept)
    if (said?.event !== 'device-proposed') return [{ place, problem: 'its gateway signed no such event' }]
    const { detail } = said
    const wiring = proposedWiring(store, hash)
    const same =
      detail.device === device &&
      detail.driver === driver &&
      detail.station === station &&
      detail.port === wiring.port &&
      detail.bonded === wiring.bonded
    return same ? [] : [{ place, problem: 'it is not what its gateway signed' }]
  })
}
