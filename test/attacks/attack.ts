import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { isRelease } from '../size.ts'
import { forgottenOf } from '../way/forgotten.ts'
import { weightOf } from './outcome.ts'
import { checkPiece, type Piece } from './piece.ts'
import type { Running, Scene } from './scene.ts'

/** One attack. It is done twice: against the programs as they are, and against a build without its defence. */
export interface Attack {
  /** As in the table of threats; a letter behind it where there are several of one kind. */
  id: string
  /** What the attacker holds and does. */
  attack: string
  /** What must be observed. */
  expected: string
  /** What must be observed without the defence: the attack succeeds. */
  undefended: string
  /** The defence: the pieces of source that are it. More than one only where one defence stands in layers. */
  defence: readonly Piece[]
  /** The programs that have it. */
  programs: readonly Running[]
  /** Does it, and gives what the public command line shows of the outcome. */
  act(scene: Scene): Promise<string>
  /** Afterwards, where it succeeded: lets the true programs find what it left behind. */
  heal?(scene: Scene): Promise<void>
}

/** The attacks on one hop of a reading's way. */
export interface Hop {
  hop: string
  attacks: readonly Attack[]
  /** Makes what they need beside the scene. */
  prepare?(scene: Scene): Promise<void>
}

/** A line of the table. */
export interface Row extends Pick<Attack, 'id' | 'attack' | 'expected' | 'undefended'> {
  observed: string
  without: string
}

/** What the attacks of one scene found. */
export interface Report {
  scene: string
  rows: Row[]
  /** Readings that no honest scale showed, accepted without a flag. */
  forged: number
  /** Rows that were deleted without a genuine receipt. */
  deleted: number
  /** What was measured beside, in words. */
  figures: string[]
}

/** What tells one test build from another. */
const buildOf = ({ defence, programs }: Pick<Attack, 'defence' | 'programs'>): string =>
  programs.length === 0 ? '' : JSON.stringify([programs, defence])

/** The attacks with those next to each other that need the same build, or at least the same program altered. */
function inOrder(attacks: readonly Attack[]): Attack[] {
  const placeOf = (of: (one: Attack) => string) => {
    const places = [...new Set(attacks.map(of))]
    return (one: Attack): number => places.indexOf(of(one))
  }
  const [program, build] = [placeOf(({ programs }) => programs.join()), placeOf(buildOf)]
  return attacks.toSorted((a, b) => program(a) - program(b) || build(a) - build(b))
}

/**
 * Whether each attack is done without its defence too. That shows what the tests are worth, not what the product is:
 * it takes as long again, and is for `npm run attacks` and the release size.
 */
const isTwice = process.env.VITALGATE_ATTACKS !== undefined || isRelease

/**
 * Registers the tests of one scene: every attack of its hops with its defence, then every attack without. Each
 * attack without its defence has a build of its own: what succeeds there succeeds because of that one defence.
 */
export function runAttacks(name: string, open: () => Promise<Scene>, hops: readonly Hop[]): void {
  jest.setTimeout(240_000)
  const attacks = hops.flatMap(one => one.attacks)
  const report: Report = { scene: name, rows: [], forged: -1, deleted: -1, figures: [] }
  const rows = new Map(
    attacks.map(({ id, attack, expected, undefended }) => [
      id,
      { id, attack, expected, undefended, observed: 'not reached', without: 'not reached' },
    ]),
  )
  let scene: Scene
  let altered: Pick<Attack, 'defence' | 'programs'> = { defence: [], programs: [] }
  beforeAll(async () => {
    scene = await open()
    for (const { prepare } of hops) await prepare?.(scene)
  })
  afterAll(async () => {
    Object.assign(report, { rows: [...rows.values()], figures: scene?.figures ?? [] })
    const folder = process.env.VITALGATE_ATTACKS
    if (folder !== undefined) {
      mkdirSync(folder, { recursive: true })
      writeFileSync(join(folder, `${name}.json`), JSON.stringify(report))
    }
    await scene?.close()
  })

  test('each attack has a name of its own, and shows what its defence is good for', () => {
    expect(rows.size).toBe(attacks.length)
    expect(attacks.filter(one => one.expected === one.undefended || one.defence.length === 0)).toEqual([])
  })

  describe.each(hops.map(one => [one.hop, one] as const))('%s', (_, hop) => {
    test.each(hop.attacks.map(one => [one.id, one.attack, one] as const))('%s: %s', async (id, _, one) => {
      for (const piece of one.defence) checkPiece(piece)
      const row = rows.get(id)!
      row.observed = await one.act(scene)
      expect(row.observed).toBe(one.expected)
      await scene.honest(id)
    })
  })

  test('honest readings went on unharmed, no forged one was accepted, no row deleted but by a genuine receipt', async () => {
    await scene.settled()
    const forged = (await scene.readings()).filter(
      line => line.verdict === 'accept' && line.flags.length === 0 && !scene.weights.has(weightOf(line)!),
    )
    const deleted = [scene.first, scene.second].flatMap(box =>
      forgottenOf(scene.site, box).unproven.filter(place => !scene.written.has(place)),
    )
    report.forged = forged.length
    report.deleted = deleted.length
    expect({ forged, deleted }).toEqual({ forged: [], deleted: [] })
    expect(scene.crashes()).toEqual([])
  })

  if (!isTwice) return
  describe('without its defence the attack succeeds', () => {
    test.each(inOrder(attacks).map(one => [one.id, one] as const))('%s', async (id, one) => {
      scene.without(one.defence, one.programs)
      if (buildOf(one) !== buildOf(altered)) {
        const changed = [...new Set([...altered.programs, ...one.programs])]
        await Promise.all(changed.map(scene.stop))
        altered = one
        await Promise.all(changed.map(program => scene.start(program)))
      }
      const row = rows.get(id)!
      row.without = await one.act(scene)
      await one.heal?.(scene)
      if (one.heal !== undefined) altered = { defence: [], programs: [] }
      expect(row.without).toBe(one.undefended)
    })
  })
}
