import { randomBytes } from 'node:crypto'
import { hex } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import type { VerifyLine } from '../control/api.ts'
import { markProvisioned } from '../identity/provision.ts'
import type { Link } from './link.ts'
import type { Moments } from './moment.ts'

/** How long a technician waits for the server before the step is given up, milliseconds. */
const patienceMs = 30_000

/** What the last step of provisioning needs. */
export interface VerifyParts {
  state: string
  gateway: string
  server: string
  already: boolean
  link: Link
  clock: Clock
  moments: Moments
}

/** Why it takes too long, in the words of what the uplink knows. */
const giveUp = (link: Link, step: string): Fault =>
  link.trouble() ??
  new Fault('server.unreachable', `the server did not answer within ${patienceMs / 1000} s (${step})`, {
    hint: 'the broker is there, but no receiver answers behind it: ask the operator whether it runs',
  })

/**
 * Sends one signed test event and waits for the server's receipt (DESIGN 6, step 4). Only this ends in
 * `provisioned`. Faults: what keeps the box from its server.
 */
export async function verifyWay(
  parts: VerifyParts,
  send: (line: VerifyLine) => void,
  end: AbortSignal,
): Promise<void> {
  const { link, clock, gateway, server } = parts
  const began = clock.mono()
  const wait = async (step: string, act: (within: AbortSignal) => Promise<void>): Promise<void> => {
    const limit = AbortSignal.timeout(patienceMs)
    try {
      await act(AbortSignal.any([limit, end]))
    } catch (why) {
      throw limit.aborted ? giveUp(link, step) : why
    }
  }
  send({ step: 'connecting', detail: link.status().broker ?? 'the broker of the server entry' })
  await wait('handshake', within => link.welcomed(within))
  send({ step: 'handshake', detail: `server ${server} proved its key` })
  const members = { event: 'provision-test' as const, detail: { nonce: hex(randomBytes(16)) } }
  const place = await link.take({ type: 'event', time: parts.moments.at(), members })
  send({
    step: 'sending',
    detail: `test event ${place.seq} of epoch ${place.epoch} is on disk and on its way`,
  })
  send({ step: 'waiting', detail: 'for the receipt that the server signs' })
  await wait('receipt', within => link.receipted(place, within))
  markProvisioned(parts.state, clock)
  send({ outcome: { already: parts.already, gateway, server, roundTripMs: clock.mono() - began } })
}
