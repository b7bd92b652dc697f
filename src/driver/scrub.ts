import { createHmac } from 'node:crypto'
import { type Bytes, hex } from '../base/bytes.ts'
import { type Part, type Parts, partsOf } from './parts.ts'
import { type Chunk, type Played, play } from './play.ts'
import { type Outcome, openSession } from './session.ts'
import type { Setup } from './setup.ts'
import { saidIn, sortsOf } from './sort.ts'
import { replaced } from './substitute.ts'
import { alike, type Hearing, type Unit, unitsOf } from './units.ts'

/** A recording without its values and ids, and how far it is like the original in all other things. */
export interface Scrubbed {
  chunks: Chunk[]
  /** What the driver would have sent, had it heard this. */
  sent: Bytes[]
  /** Whether frame by frame the same sorts of things are said, and whether the same of them count. */
  likeness: 'same' | 'counts-differ' | 'differs'
  /** How many things that the original says (values, ids, times) are still said. */
  kept: number
}

const likenesses = ['same', 'counts-differ', 'differs'] as const

/** How often a frame is replaced anew because it says by chance what the original says somewhere. */
const frameTries = 8
/** How often a whole recording is, because other frames count than in the original. */
const wholeTries = 4

/** Chance that a key makes from a seed: the same bytes whenever it is asked for the same. */
export function chance(key: Uint8Array, ...seed: (string | Uint8Array)[]): () => number {
  let block: Uint8Array = new Uint8Array()
  let at = 0
  let count = 0
  return () => {
    if (at === block.length) {
      const hmac = createHmac('sha256', key).update(`${count++} `)
      for (const part of seed) hmac.update(part).update(' ')
      block = hmac.digest()
      at = 0
    }
    return block[at++]!
  }
}

/** Bytes that are structure in text: control characters that stand between and around fields. */
const structure = '\x01\x02\x03\x04\x05\x06\t\n\r\x11\x12\x13\x14\x15\x16\x1b\x1c\x1d\x1e\x1f'

/** Whether bytes can be text: nothing but printable characters and such structure. */
const canBeText = (bytes: Bytes, mask: number): boolean =>
  bytes.every(byte => {
    const plain = byte & mask
    return (plain >= 0x20 && plain < 0x7f) || structure.includes(String.fromCharCode(plain))
  })

/**
 * Whether this device speaks in text, judged by what was understood, or by everything where nothing was. In
 * other frames any byte may be a value.
 */
function speaksText({ parts, bytes }: Parts, { link, check: { mask } }: Setup): boolean {
  if ('ble' in link) return false
  const understood = parts
    .filter(({ sorts }) => !sorts.every(sort => /^(fault|silent noise)/.test(sort)))
    .flatMap(({ sealed }) => sealed)
  if (understood.length === 0) return canBeText(bytes, mask)
  return understood.every(({ from, to }) => canBeText(bytes.subarray(from, to), mask))
}

/** The value of a single frame that decides whether it counts. */
function decisive([one, ...more]: readonly Outcome[], settle: Setup['settle']): number | undefined {
  if (settle === undefined || one === undefined || more.length > 0) return undefined
  const { heard } = one
  const found =
    'measured' in heard ? heard.measured[settle.kind] : 'silent' in heard ? heard.passing : undefined
  return found === undefined ? undefined : found.n / 10 ** found.s
}

/** A frame that was replaced, by its decisive value. */
interface Anchor {
  was: number
  is: number
  frame: Bytes
}

/** Whether two values are to each other as those that they replace: whether they are near, or which is higher. */
function related(settle: Setup['settle'], was: number, is: number, anchor: Anchor): boolean {
  if (was === anchor.was) return is === anchor.is
  if (settle !== undefined && 'movedBy' in settle) return Math.abs(is - anchor.is) <= settle.movedBy
  return was < anchor.was ? is <= anchor.is : is >= anchor.is
}

/**
 * One try at a whole recording; `said` is all that the original says. `loose` lets a frame change what others
 * mean.
 */
function once(
  chunks: readonly Chunk[],
  setup: Setup,
  key: Uint8Array,
  said: ReadonlySet<string>,
  loose: boolean,
): Chunk[] {
  const found = partsOf(chunks, setup)
  const { bytes } = found
  const { check, settle } = setup
  const speaks = speaksText(found, setup)
  const known = new Map<string, Bytes>()
  const anchors: Anchor[] = []

  /** The frame that this one must keep its relation to, if it can be made from it. */
  const anchorOf = (was: number | undefined, length: number): Anchor | undefined => {
    const near = settle !== undefined && 'movedBy' in settle ? settle.movedBy : Number.POSITIVE_INFINITY
    const away = (one: Anchor): number => Math.abs(one.was - was!)
    if (was === undefined) return undefined
    const [nearest] = anchors
      .filter(one => one.frame.length === length && away(one) <= near)
      .sort((a, b) => away(a) - away(b))
    return nearest
  }

  const replace = (unit: Unit): void => {
    const { own, leaning } = unit
    const [from, to] = [own[0]!.from, own.at(-1)!.to]
    const original = bytes.slice(from, to)
    const fitsIn = ({ now, sorts }: Hearing): boolean => alike(now().sorts, sorts)
    const name = `${own[0]!.pieces[0]?.char ?? ''} ${hex(original)}`
    const same = known.get(name)
    if (same !== undefined) {
      bytes.set(same, from)
      if (unit.heard === undefined || fitsIn(unit.heard)) return
      bytes.set(original, from)
    }
    // Behind what was replaced already, it may not mean any more what it meant: then alone it must stay the same.
    const heard = unit.heard !== undefined && fitsIn(unit.heard) ? unit.heard : unit.alone
    const around = (loose ? [] : leaning).map(one => one.heard ?? one.alone).filter(fitsIn)
    const fits = (): boolean => [heard, ...around].every(fitsIn)
    const value = (): number | undefined => decisive(heard.now().outcomes, settle)
    const was = value()
    const anchor = anchorOf(was, original.length)
    // Damaged text may be text with wrong bits, which people can read all the same.
    const text = speaks && canBeText(original, check.mask)
    for (let attempt = 0; attempt < frameTries; attempt++) {
      bytes.set(original, from)
      const random = (at: number, part: Part, pass: number) =>
        chance(
          key,
          `${attempt} ${pass} ${at - part.from}`,
          original.subarray(part.from - from, part.to - from),
        )
      const trial = { bytes, own, text, check, random, fits }
      const keeps = (): boolean => fits() && related(settle, was!, value()!, anchor!)
      // Half of the tries keep the relation; where no value is left that does, that none stays is worth more.
      const ties = anchor !== undefined && attempt < frameTries / 2
      if (!ties || !replaced({ ...trial, like: anchor.frame, fits: keeps })) replaced(trial)
      if (!saidIn(heard.now().outcomes).some(one => said.has(one))) break
    }
    known.set(name, bytes.slice(from, to))
    const is = value()
    if (was !== undefined && is !== undefined) anchors.push({ was, is, frame: bytes.slice(from, to) })
  }

  for (const unit of unitsOf(found, setup)) replace(unit)
  let at = 0
  return chunks.map(chunk => {
    const from = at
    at += chunk.in.length
    return { ...chunk, in: bytes.slice(from, at) }
  })
}

const countsOf = ({ outcomes }: Played): string[] =>
  outcomes.filter(({ frame }) => frame.length > 0).map(({ said }) => String(said !== undefined))

/**
 * Replaces what a recording says of people and moments, and keeps what sort of thing each frame is. It needs no
 * knowledge of the protocol: each digit, letter or (in binary frames) byte is tried with others of its class, the
 * check is made right again, and the change stays if the driver still hears the same sort of thing; what cannot
 * be replaced so is structure. Equal frames become equal frames, because weigh-once and repeats look at that.
 * `key` is 32 random bytes, used once and forgotten: whoever has it can undo nothing, but guess and compare.
 */
export function scrub(chunks: readonly Chunk[], setup: Setup, key: Uint8Array): Scrubbed {
  const original = play(openSession(setup, 0), chunks)
  const said = new Set(saidIn(original.outcomes))
  const likenessOf = (played: Played): Scrubbed['likeness'] => {
    if (!alike(sortsOf(played.outcomes, setup), sortsOf(original.outcomes, setup))) return 'differs'
    if (played.sent.length !== original.sent.length) return 'differs'
    return alike(countsOf(played), countsOf(original)) ? 'same' : 'counts-differ'
  }
  const tried: Scrubbed[] = []
  for (let attempt = 0; attempt < wholeTries; attempt++) {
    const own = createHmac('sha256', key).update(`try ${attempt}`).digest()
    const made = once(chunks, setup, own, said, (tried.at(-1)?.kept ?? 0) > 0)
    const played = play(openSession(setup, 0), made)
    const kept = new Set(saidIn(played.outcomes).filter(one => said.has(one))).size
    tried.push({ chunks: made, sent: played.sent, likeness: likenessOf(played), kept })
    if (tried.at(-1)!.likeness === 'same' && kept === 0) break
  }
  const rank = ({ kept, likeness }: Scrubbed): number => kept * 3 + likenesses.indexOf(likeness)
  return tried.sort((a, b) => rank(a) - rank(b))[0]!
}
