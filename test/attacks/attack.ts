import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { forgottenOf } from '../way/forgotten.ts'
import { checkPiece, type Piece } from './piece.ts'
import { type Running, type Scene, weightOf } from './scene.ts'

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

/** A line of the table. */
export interface Row extends Pick<Attack, 'id' | 'attack' | 'expected' | 'undefended'> {
  observed: string
  without: string
}

/** What one file of attacks found. */
export interface Report {
  hop: string
  rows: Row[]
  /** Readings that no honest scale showed, accepted without a flag. */
  forged: number
  /** Rows that were deleted without a genuine receipt. */
  deleted: number
}

/** Registers the tests of one hop: every attack with its defence, then every attack without. */
export function runAttacks(hop: string, open: () => Promise<Scene>, attacks: readonly Attack[]): void {
  jest.setTimeout(90_000)
  const report: Report = { hop, rows: [], forged: -1, deleted: -1 }
  const rows = new Map(
    attacks.map(({ id, attack, expected, undefended }) => [
      id,
      { id, attack, expected, undefended, observed: 'not reached', without: 'not reached' },
    ]),
  )
  let scene: Scene
  let altered: readonly Running[] = []
  beforeAll(async () => {
    scene = await open()
  })
  afterAll(async () => {
    report.rows = [...rows.values()]
    const folder = process.env.VITALGATE_ATTACKS
    if (folder !== undefined) {
      mkdirSync(folder, { recursive: true })
      writeFileSync(join(folder, `${hop.replaceAll(' ', '-')}.json`), JSON.stringify(report))
    }
    await scene?.close()
  })

  describe('with its defence', () => {
    test.each(attacks.map(one => [one.id, one.attack, one] as const))('%s: %s', async (id, _, one) => {
      for (const piece of one.defence) checkPiece(piece)
      const row = rows.get(id)!
      row.observed = await one.act(scene)
      expect(row.observed).toBe(one.expected)
      await scene.honest()
    })

    test('no forged reading was accepted unflagged, no row deleted but by a genuine receipt', async () => {
      const forged = (await scene.readings()).filter(
        line => line.verdict === 'accept' && line.flags.length === 0 && !scene.weights.has(weightOf(line)!),
      )
      const deleted = [scene.first, scene.second].flatMap(box =>
        forgottenOf(scene.site, box).unproven.filter(place => !scene.written.has(place)),
      )
      report.forged = forged.length
      report.deleted = deleted.length
      expect({ forged, deleted }).toEqual({ forged: [], deleted: [] })
      expect(scene.site.crashes()).toEqual([])
    })
  })

  describe('without its defence the attack succeeds', () => {
    test.each(attacks.map(one => [one.id, one] as const))('%s', async (id, one) => {
      scene.without(one.defence)
      for (const program of new Set([...altered, ...one.programs])) await scene.stop(program)
      const before = altered
      altered = one.programs
      for (const program of new Set([...before, ...one.programs])) await scene.start(program)
      const row = rows.get(id)!
      row.without = await one.act(scene)
      await one.heal?.(scene)
      expect(row.without).toBe(one.undefended)
    })
  })
}
