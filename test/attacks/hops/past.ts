import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../../../scripts/scenario/program.ts'
import { paths } from '../../../src/receiver/state.ts'
import { openStore } from '../../../src/receiver/store.ts'
import { patienceMs } from '../../way/site.ts'
import type { Attack, Hop } from '../attack.ts'
import { linesOf } from '../build.ts'
import { copyDatabase } from '../card.ts'
import { namesOf } from '../outcome.ts'
import type { Piece } from '../piece.ts'
import { enrol } from '../request.ts'
import { lead, welcomed } from '../rogue.ts'
import type { Scene } from '../scene.ts'

// An insider puts the receiver's database back to what it was before somebody was revoked.

const piece = (file: string, text: string, replacement: string): Piece => ({ file, text, replacement })

/** Exchanges the receiver's database while it is down. */
async function exchange(scene: Scene, between: (database: string) => void): Promise<void> {
  const { site } = scene
  const { database } = paths(site.receiver)
  await scene.stop('receiver')
  site.store.close()
  between(database)
  await scene.start('receiver')
  site.store = openStore(database)
}

/** How often the first gateway has entered a revocation into its own book. */
const revocationsHeard = ({ first }: Scene): number =>
  [
    ...readFileSync(first.daemon.log, 'utf8').matchAll(
      /"type":"[a-z -]*revocation[a-z -]*","msg":"registry"/g,
    ),
  ].length

/** `act` sees a receiver whose database is that of before the last revocation, of which the gateways know. */
async function setBack(scene: Scene, act: (mark: number) => Promise<string>): Promise<string> {
  const { site } = scene
  const [older, newest] = [join(site.folder, 'older.db'), join(site.folder, 'newest.db')]
  // the last flag of the older database
  const mark = scene.mark()
  await site.store.db.backup(older)
  const heard = revocationsHeard(scene)
  const { gateway } = await enrol(scene)
  linesOf(await scene.type('registry', 'revoke', gateway, '--why', 'stolen', '--yes'))
  // gateways hear of it at their next hello
  lead(scene, scene.truePort)
  await until('the revocation heard', patienceMs, () => revocationsHeard(scene) > heard)
  await exchange(scene, database => {
    copyDatabase(database, newest)
    copyDatabase(older, database)
  })
  try {
    return await act(mark)
  } finally {
    await exchange(scene, database => copyDatabase(newest, database))
  }
}

const attacks: Attack[] = [
  {
    id: 'T48f',
    attack: 'is an insider, puts the database of before a revocation back; the gateways know better',
    expected: 'REGISTRY_ROLLBACK',
    undefended: 'nothing told',
    defence: [piece('receiver/session.ts', 'if (ahead.length === 0) return', 'return')],
    programs: ['receiver'],
    act: scene =>
      setBack(scene, async mark => {
        lead(scene, scene.truePort)
        await welcomed(scene)
        return namesOf(await scene.flagsSince(mark)) || 'nothing told'
      }),
  },
  {
    id: 'T48g',
    attack: 'the same; the operator verifies the registry',
    expected: 'the registry was set back',
    undefended: 'not noticed',
    defence: [piece('receiver/registry-verify.ts', '...checkSeen(store, seen, noted),', '')],
    programs: [],
    act: scene =>
      setBack(scene, async () => {
        const words = ['--state', scene.site.receiver, '--json', 'registry', 'verify']
        const { out } = await scene.build.type('vitalgate-receiver', ...words)
        const { problems } = JSON.parse(out) as { problems: { problem: string }[] }
        const isNoticed = problems.some(({ problem }) => problem.startsWith('registry.head saw'))
        return isNoticed ? 'the registry was set back' : 'not noticed'
      }),
  },
]

export const pastHop: Hop = { hop: 'past', attacks }
