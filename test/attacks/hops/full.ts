import { readFileSync } from 'node:fs'
import { until } from '../../../scripts/scenario/program.ts'
import { patienceMs } from '../../way/site.ts'
import type { Attack, Hop } from '../attack.ts'
import { heal } from '../card.ts'
import type { Piece } from '../piece.ts'
import type { Scene } from '../scene.ts'

// A box that is full: what lies on it must still find its way.

const piece = (file: string, text: string, replacement: string): Piece => ({ file, text, replacement })

/** What the attack needs of the box: an outbox that is full after some hundred readings. */
const small = [
  piece('identity/config.ts', 'const leastQuota = 16 * sizes.MiB!', 'const leastQuota = 1'),
  piece('identity/config.ts', 'quota: size.default(512 * sizes.MiB!)', 'quota: size.default(450 * 1024)'),
]

/** The box takes readings until it takes no more; then it starts anew, and its server is back. */
async function fill(scene: Scene): Promise<string> {
  const { first } = scene
  const refusing = async () => (await first.status()).outbox.intake.refusingSince !== null
  const doneWith = async () => {
    const { readings, faults } = (await first.status()).devices.find(one => one.id === 'scale')!
    return readings + faults
  }
  await scene.settled()
  await scene.stop('receiver')
  await scene.stop('first')
  await scene.start('first', small)
  while (!(await refusing())) {
    const before = await doneWith()
    for (let count = 0; count < 20; count++) scene.weigh(first)
    await until('20 more', patienceMs, async () => (await doneWith()) >= before + 20 || (await refusing()))
  }
  await scene.stop('first')
  await scene.start('first', small)
  const said = readFileSync(first.daemon.log, 'utf8').length
  const failed = (): boolean =>
    readFileSync(first.daemon.log, 'utf8').slice(said).includes('"code":"outbox.full"')
  await scene.start('receiver')
  const drained = async (): Promise<boolean> => {
    const { outbox, uplink } = await first.status()
    return outbox.queued === 0 && uplink.state === 'welcomed'
  }
  await until('all of it there, or none', patienceMs, async () => failed() || (await drained()))
  const told = failed() ? 'no handshake' : 'everything arrives'
  await scene.restart('first')
  return `full, then ${told}`
}

const attacks: Attack[] = [
  {
    id: 'T22',
    attack: 'fills the box while its line is cut, and cuts its power',
    expected: 'full, then everything arrives',
    undefended: 'full, then no handshake',
    // without it: what is full takes nothing, be it a reading or a welcome
    defence: [
      piece(
        'daemon/custody-holder.ts',
        "if (request.name === 'take') intake.admit(request.argument)",
        `if (request.name === 'take') intake.admit(request.argument)
      if (request.name === 'welcome' && !outbox.commit(outbox.admit)) {
        const { Fault } = process.getBuiltinModule('node:module').createRequire(import.meta.url)('../base/fault.ts')
        throw new Fault('outbox.full', 'outbox is full')
      }`,
      ),
    ],
    programs: ['first'],
    heal,
    act: fill,
  },
]

export const fullHop: Hop = { hop: 'full', attacks }
