import { hex, sha256, unhex } from '../../src/base/bytes.ts'
import { isFault } from '../../src/base/fault.ts'
import type { Taken } from '../../src/control/api.ts'
import type { WayBox, WaySite } from './site.ts'

/** Where a reading is and what its frame hashes to. */
export type Claim = Pick<Taken, 'epoch' | 'seq' | 'hash'>

/** A reading as the receiver holds it. */
export interface Held {
  epoch: string
  seq: number
  /** Hex of the frame. */
  raw: string
  verdict: string
}

/** Everything that the receiver holds of a box. */
export const heldBy = (site: WaySite, box: WayBox): Held[] =>
  site.store.all<Held>(
    'SELECT epoch, seq, raw, verdict FROM readings WHERE gateway = ? ORDER BY id',
    box.gateway,
  )

/**
 * What is wrong between what the box said it had taken, what the receiver holds, and what the device wrote:
 * one sentence each, none if every taken reading is there exactly once and nothing else is.
 */
export function discrepancies(
  taken: readonly Claim[],
  held: readonly Held[],
  written: ReadonlySet<string>,
): string[] {
  const wrong: string[] = []
  const hashes = new Map<string, string>()
  const lines = new Set<string>()
  for (const { epoch, seq, raw, verdict } of held) {
    const place = `${epoch} ${seq}`
    const line = Buffer.from(unhex(raw)).toString('latin1').trimEnd()
    if (hashes.has(place)) wrong.push(`${place} is there twice`)
    if (lines.has(line)) wrong.push(`${place} is a line that came before: ${line}`)
    if (!written.has(line)) wrong.push(`${place} was never written: ${line}`)
    if (verdict !== 'accept') wrong.push(`${place} has the verdict ${verdict}`)
    hashes.set(place, hex(sha256(unhex(raw))))
    lines.add(line)
  }
  const told = new Set<string>()
  for (const { epoch, seq, hash } of taken) {
    const place = `${epoch} ${seq}`
    if (told.has(place)) wrong.push(`${place} was told twice`)
    told.add(place)
    if (!hashes.has(place)) wrong.push(`${place} was taken and is not there`)
    else if (hashes.get(place) !== hash) wrong.push(`${place} is another frame than was taken`)
  }
  return wrong
}

/** Notes what the control socket tells to be taken, until the daemon goes; resolves once that has begun. */
export async function noteTaken(
  box: WayBox,
  taken: Pick<Taken[], 'push'>,
): Promise<{ ended: Promise<void> }> {
  const lines = await box.client().follow('taken', {})
  const read = async (): Promise<void> => {
    try {
      for await (const line of lines) taken.push(line)
    } catch (error) {
      if (!isFault(error, 'control.absent')) throw error // a daemon that was killed breaks off
    }
  }
  return { ended: read() }
}
