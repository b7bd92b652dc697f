import type { Bytes } from '../base/bytes.ts'
import { isFault } from '../base/fault.ts'
import type { Epoch } from '../outbox/epochs.ts'
import type { Outbox } from '../outbox/outbox.ts'
import type { Receipt } from '../outbox/receipts.ts'
import { verifyKey } from '../wire/keys.ts'
import { sessionBodies } from '../wire/session.ts'
import { decodeBody, isSignedBy, type Statement } from '../wire/statement.ts'

interface Signed {
  iss: string
  aud: string
  kid: string
  answers: { epoch: string; seq: number; head: string; holes: [number, number][] }[]
}

/** What a receipt or welcome says; undefined where it is neither. */
function readSigned({ type, body }: Statement): Signed | undefined {
  if (type !== 'receipt' && type !== 'welcome') return undefined
  const { success, data } = sessionBodies[type].safeParse(decodeBody(body))
  if (!success) return undefined
  const { iss, aud, kid } = data
  return { iss, aud, kid, answers: 'epochs' in data ? data.epochs : [data] }
}

/**
 * Tells whether a stored receipt is what its epoch's server signed for this gateway, under one of these receipt keys:
 * of its present entry, and of those before (WIRE 9.10).
 */
export function provenUnder(
  outbox: Outbox,
  gateway: string,
  receiptKeys: readonly Bytes[],
): (epoch: Epoch, receipt: Receipt) => boolean {
  const keys = new Map(receiptKeys.map(verifyKey).map(key => [key.kid, key]))
  return ({ epoch, server }, { proof, seq, head, holes }) => {
    const statement = outbox.receipts.proof(proof)
    if (statement === undefined) return false
    try {
      const signed = readSigned(statement)
      const key = signed && keys.get(signed.kid)
      if (signed === undefined || key === undefined || !isSignedBy(statement, key)) return false
      if (signed.iss !== server || signed.aud !== gateway) return false
      const said = (one: Signed['answers'][number]): boolean =>
        one.epoch === epoch && one.seq === seq && one.head === head && one.holes.join() === holes.join()
      return signed.answers.some(said)
    } catch (error) {
      if (isFault(error)) return false // no statement at all: somebody wrote into the file
      throw error
    }
  }
}
