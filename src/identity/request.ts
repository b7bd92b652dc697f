import { base64url } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { signRegistry } from '../wire/registry.ts'
import { type PublicStatement, publish } from '../wire/statement.ts'
import { makeCsr } from './csr.ts'
import type { GatewayKeys } from './keys.ts'

/** What the box says about itself in its request. */
export interface Facts {
  hardware: string
  software: string
  clock: Clock
}

/** The request that these keys be bound to their gateway: signed by the one, with a CSR that proves the TLS key (WIRE 10.1). */
export async function requestFor(
  keys: GatewayKeys,
  { hardware, software, clock }: Facts,
): Promise<PublicStatement> {
  const { gateway, sign, box, tlsKey } = keys
  const csr = await makeCsr(gateway, tlsKey)
  const named = { sign: base64url(sign.publicKey), box: base64url(box.publicKey) }
  const body = { gateway, keys: named, csr, hardware, software, made: clock.now() }
  return publish(signRegistry('request', body, sign))
}
