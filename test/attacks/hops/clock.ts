import { until } from '../../../scripts/scenario/program.ts'
import { readTextFile } from '../../../src/base/files.ts'
import { issueServer } from '../../../src/receiver/authority.ts'
import { brokerTls, ownLock, paths, readSecrets } from '../../../src/receiver/state.ts'
import { patienceMs, type WayBox } from '../../way/site.ts'
import type { Attack, Hop } from '../attack.ts'
import type { Piece } from '../piece.ts'
import { isRow, redirected, startRogueBroker } from '../rogue.ts'
import type { Scene } from '../scene.ts'

// Whoever sets the gateway's clock: forged NTP, or a box without a battery.

const piece = (file: string, text: string, replacement: string): Piece => ({ file, text, replacement })

const yearMs = 365.25 * 86_400_000

/** What the attack does to the gateway: its clock is off by so much, and `timedatectl` vouches for it. */
const wrongClock = (offMs: number): Piece[] => [
  piece('base/clock.ts', 'now: () => Date.now()', `now: () => Date.now() + ${offMs}`),
  piece(
    'daemon/moment.ts',
    'const { stdout } = await run(',
    'return true\n    const { stdout } = await run(',
  ),
]

/** Without it the box judges certificates by its own clock, as TLS does by itself. */
const byServersTime = piece(
  'uplink/session.ts',
  'checkDates(shown, body.time)',
  'checkDates(shown, parts.facts().clock.wall)',
)

/** While the first gateway runs with a wrong clock. */
async function withClock(scene: Scene, offMs: number, act: () => Promise<string>): Promise<string> {
  await scene.stop('first')
  await scene.start('first', wrongClock(offMs))
  try {
    return await act()
  } finally {
    await scene.restart('first')
  }
}

/** Whether `status` of the first gateway tells that a certificate of the broker does not count. */
const isExpired = async (scene: Scene): Promise<boolean> =>
  (await scene.status(scene.first)).notices.some(one => one.includes('server’s signed time'))

/** A certificate of the true broker, for its own key, that ran out long ago. */
function formerCertificate({ site }: Scene, now: number): Promise<string> {
  const { key: authorityKey } = readSecrets(site.receiver, 'authority', ownLock(site.receiver))
  const certificate = readTextFile(paths(site.receiver).authorityCertificate)
  return issueServer({ key: authorityKey, certificate }, brokerTls(site.receiver).key, ['localhost'], now)
}

const attacks: Attack[] = [
  {
    id: 'T23a',
    attack: 'sets the gateway’s clock to 2090 and has it vouch for that',
    expected: 'accept, time-unsynced',
    undefended: 'accept',
    defence: [piece('receiver/verify-reading.ts', 'time.wall > received + aheadMs', 'false')],
    programs: ['receiver'],
    act: scene =>
      withClock(scene, 64 * yearMs, async () => {
        const { verdict, notes } = await scene.arrived(scene.first, scene.weigh(scene.first))
        return notes.includes('time-unsynced') ? `${verdict}, time-unsynced` : verdict
      }),
  },
  {
    id: 'T23b',
    attack: 'sets the gateway’s clock to 2090, so that no certificate counts and nothing arrives',
    expected: 'accept',
    undefended: 'server.expired, nothing arrives',
    defence: [byServersTime],
    programs: ['first'],
    act: scene =>
      withClock(scene, 64 * yearMs, async () => {
        const weight = scene.weigh(scene.first)
        const has = async () => (await scene.status(scene.first)).uplink.state === 'welcomed'
        await until('welcomed or expired', patienceMs, async () => (await has()) || (await isExpired(scene)))
        if (await isExpired(scene)) return 'server.expired, nothing arrives'
        return (await scene.arrived(scene.first, weight)).verdict
      }),
  },
  {
    id: 'T24',
    attack:
      'has the broker’s key and a certificate that ran out long ago, sets the gateway’s clock to its day',
    expected: 'server.expired, 0 rows leave the gateway',
    undefended: 'rows leave the gateway',
    defence: [byServersTime],
    programs: ['first'],
    act: async scene => {
      const offMs = -30 * yearMs
      const certificate = await formerCertificate(scene, Date.now() + offMs)
      let rows = 0
      const count = (payload: Uint8Array, box: WayBox): Uint8Array[] => {
        if (box === scene.first && isRow(payload)) rows++
        return [payload]
      }
      const rogue = await startRogueBroker(scene, count, undefined, certificate)
      return redirected(scene, rogue, () =>
        withClock(scene, offMs, async () => {
          scene.weigh(scene.first)
          await until('rows or a refusal', patienceMs, async () => rows > 0 || (await isExpired(scene)))
          return rows > 0 ? 'rows leave the gateway' : 'server.expired, 0 rows leave the gateway'
        }),
      )
    },
  },
]

export const clockHop: Hop = { hop: 'clock', attacks }
