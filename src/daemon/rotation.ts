import { Fault } from '../base/fault.ts'
import type { Rotated, Status } from '../control/api.ts'
import { hardware } from '../identity/hardware.ts'
import type { Identity, Known } from '../identity/identity.ts'
import { makeNext, requestText } from '../identity/provision.ts'
import { unpublish } from '../wire/statement.ts'
import { requestWords } from '../wire/words.ts'
import type { Gateway } from './gateway.ts'

/** What proposing new keys needs of the running gateway. */
export type Proposing = Pick<Gateway, 'identity' | 'identify' | 'event'> & {
  parts: Pick<Gateway['parts'], 'state' | 'software' | 'clock'>
}

/**
 * Proposes new keys to the registry (WIRE 9.9): makes them beside the present ones and takes a `keys-proposed` event,
 * signed by the present key. Asked again it proposes the same, and tells of it again: the power may have gone between
 * the two. Nothing changes until a binding to them comes down. Faults: `identity.unprovisioned`, those of custody.
 */
export async function proposeKeys({ identity, identify, event, parts }: Proposing): Promise<Rotated> {
  const { state, software, clock } = parts
  if (identity().phase !== 'provisioned') {
    throw new Fault('identity.unprovisioned', 'only a provisioned box proposes new keys', {
      hint: 'finish provisioning first: vitalgate provision verify',
    })
  }
  const { already, identity: after } = await makeNext(state, { hardware: hardware(), software, clock })
  const { gateway, keys } = after
  const { next } = keys
  if (next === undefined) throw new Fault('key.missing', 'the new keys were written, but are not there')
  identify(after)
  await event({ event: 'keys-proposed', detail: { request: next.request } })
  return {
    already,
    gateway,
    kid: keys.sign.kid,
    next: next.keys.sign.kid,
    words: requestWords(unpublish(next.request), gateway),
    request: requestText(next),
  }
}

/** Which keys status shows. */
export const keysShown = ({ keys }: Exclude<Identity, { phase: 'fresh' }> & Known): Status['keys'] => ({
  kid: keys.sign.kid,
  next: keys.next?.keys.sign.kid ?? null,
})

const dayMs = 86_400_000

/** From when on people are told that a certificate which is issued for ten years was not renewed (WIRE 8.6). */
const warnDays = 365

/** What needs a person's attention of certificate and keys; `now` is the server's time, undefined before its first word. */
export function certificateNotices(
  { certificate, keys }: Pick<Status, 'certificate' | 'keys'>,
  now: number | undefined,
): string[] {
  const notices: string[] = []
  const isDated = certificate !== null && now !== undefined
  const days = isDated ? Math.floor((certificate.notAfter - now) / dayMs) : warnDays
  if (certificate?.next === null && days < warnDays) {
    const left = days < 0 ? 'has run out' : `runs out in ${days} days`
    notices.push(
      `the certificate of this box ${left}, and no newer one came: tell the operator (vitalgate-receiver registry renew)`,
    )
  }
  if (typeof keys?.next === 'string') {
    notices.push('new keys are proposed: the operator signs them with vitalgate-receiver registry rotate')
  }
  return notices
}
