import { type EpochOwner, headZero, nextHead } from '../../src/wire/chain.ts'

/** What the sink has seen: rows in their order, rows that it had already, and rows before which one was missing. */
export interface Seen {
  rows: number
  repeated: number
  disordered: number
}

/** The chains of one gateway, reckoned over envelopes that nobody opens (WIRE 5.1, 5.2). */
export interface SinkChains {
  seen: Seen
  /** Takes a row; whether there is something to receipt. */
  take(epoch: string, seq: number, envelope: Uint8Array): boolean
  /** Where a chain ends, or an earlier place of it, with the head there. */
  placeOf(epoch: string, seq?: number): { epoch: string; seq: number; head: string }
}

/** No chains yet; `owner` tells whose they are, as the last HELLO said. */
export function sinkChains(owner: () => EpochOwner): SinkChains {
  const seen: Seen = { rows: 0, repeated: 0, disordered: 0 }
  /** Heads by epoch; the place in the list is the seq. */
  const chains = new Map<string, string[]>()
  const headsOf = (epoch: string): string[] => {
    const known = chains.get(epoch) ?? [headZero(epoch, owner())]
    chains.set(epoch, known)
    return known
  }
  return {
    seen,
    take(epoch, seq, envelope) {
      const heads = headsOf(epoch)
      if (seq > heads.length) {
        seen.disordered++
        return false
      }
      if (seq < heads.length) {
        seen.repeated++
        return true
      }
      heads.push(nextHead(heads.at(-1)!, envelope))
      seen.rows++
      return true
    },
    placeOf(epoch, seq = Number.POSITIVE_INFINITY) {
      const heads = headsOf(epoch)
      const at = Math.min(seq, heads.length - 1)
      return { epoch, seq: at, head: heads[at]! }
    },
  }
}
