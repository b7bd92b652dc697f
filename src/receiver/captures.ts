import { type Bytes, concat, unhex } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import type { Registry } from './registry.ts'
import { type KeptRow, saidBy } from './registry-verify-proposals.ts'
import type { Store } from './store.ts'

/**
 * The capture that a `capture-stop` handed up (WIRE 6.4), as its file was: read from the sealed envelopes, each proven
 * anew. Fault `capture.invalid` where there is none, or parts have not arrived.
 */
export function readCapture(
  store: Store,
  registry: Registry,
  { gateway, intent }: { gateway: string; intent: string },
): Bytes {
  const rows = store.all<KeptRow>(
    `SELECT c.hash, c.kid, c.envelope FROM events e JOIN chains c ON c.hash = e.hash AND c.type = 'event'
     WHERE e.gateway = ? AND e.event = 'capture-part' AND json_extract(e.detail, '$.intent') = ?`,
    gateway,
    intent,
  )
  const found = new Map<number, string>()
  let parts = 0
  for (const row of rows) {
    const said = saidBy(registry, gateway, row)
    if (said?.event !== 'capture-part' || said.detail.intent !== intent) continue
    parts = said.detail.parts
    found.set(said.detail.part, said.detail.raw)
  }
  if (parts === 0) {
    throw new Fault('capture.invalid', `command ${intent.slice(0, 8)} handed up no capture`, {
      hint: 'name the command capture-stop; see: vitalgate-receiver command list',
    })
  }
  const numbers = Array.from({ length: parts }, (_, at) => at + 1)
  const missing = numbers.filter(part => !found.has(part)).length
  if (missing > 0) {
    throw new Fault('capture.invalid', `${missing} of ${parts} parts of this capture have not arrived`, {
      hint: 'wait until the gateway has sent everything: vitalgate-receiver registry show',
    })
  }
  return concat(...numbers.map(part => unhex(found.get(part)!)))
}
