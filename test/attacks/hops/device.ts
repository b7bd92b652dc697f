import { until } from '../../../scripts/scenario/program.ts'
import type { ReadingLine } from '../../../src/receiver/readings-list.ts'
import { addDevice, type Plug, patienceMs, typeReceiver } from '../../way/site.ts'
import type { Attack, Hop } from '../attack.ts'
import { outcomeOf, weightOf } from '../outcome.ts'
import type { Piece } from '../piece.ts'
import { print, type Scene, scaleDevice } from '../scene.ts'
import { event, forge, forgedWeight, payloadOf, publish, reading } from '../thief.ts'

// The local link, and what a device may say: which device, whose, when.

const piece = (file: string, text: string, replacement: string): Piece => ({ file, text, replacement })

/** A scale that nobody accepted, and one whose line has a parity bit. */
const plugs = new Map<'spare' | 'guarded', Plug>()

async function prepare({ site, first }: Scene): Promise<void> {
  const spare = await site.plug('spare')
  const { options } = scaleDevice
  const added = { ...scaleDevice, id: 'spare', options, port: spare.port }
  await first.client().ask('addDevice', added)
  const parity = { ...options, parity: 'even' }
  plugs.set('spare', spare)
  plugs.set('guarded', await addDevice(site, first, { ...scaleDevice, id: 'guarded', options: parity }))
  await addDevice(site, first, { ...scaleDevice, id: 'leaver' })
  await first.client().ask('removeDevice', { id: 'leaver' })
  await until('its removal', patienceMs, async () =>
    (await typeReceiver(site, 'registry', 'devices', 'list', first.gateway, '--json')).includes('"removed"'),
  )
}

/** Waits for a forged weight that was not there before. */
async function watch(scene: Scene, device: string): Promise<() => Promise<ReadingLine>> {
  const all = async (): Promise<ReadingLine[]> =>
    (await scene.readings()).filter(line => line.device === device && weightOf(line) === forgedWeight)
  const known = (await all()).length
  return async () => {
    let now: ReadingLine[] = []
    await until(`a reading of ${device}`, patienceMs, async () => {
      now = await all()
      return now.length > known
    })
    return now.at(-1)!
  }
}

/** Prints at a device; gives the fault that status tells, or the verdict of the reading that it led to. */
async function said(scene: Scene, device: string, plug: Plug, text: string): Promise<string> {
  const stateOf = async () => (await scene.status(scene.first)).devices.find(one => one.id === device)!
  const fresh = await watch(scene, device)
  const before = await stateOf()
  print(plug, text)
  let now = before
  await until('heard', patienceMs, async () => {
    now = await stateOf()
    return now.faults > before.faults || now.readings > before.readings
  })
  if (now.readings === before.readings) return `${now.lastFault?.code}, no reading`
  return (await fresh()).verdict
}

/** Each byte with an even parity bit. */
const even = (text: string): string =>
  Array.from(text, one => {
    const code = one.charCodeAt(0)
    const ones = code.toString(2).replaceAll('0', '').length
    return String.fromCharCode(ones % 2 === 0 ? code : code | 0x80)
  }).join('')

/** Claims an honest reading of the first gateway; gives the band that it has then. */
async function claim(
  scene: Scene,
  by: 'first' | 'second',
  bands: readonly { band: string; seq: number; scannedOff?: number }[],
): Promise<string> {
  const { first, site } = scene
  const taken = await scene.arrived(first, scene.weigh(first))
  const { mono } = site.store.get<{ mono: number }>(
    'SELECT mono FROM readings WHERE gateway = ? AND epoch = ? AND seq = ?',
    first.gateway,
    taken.epoch,
    taken.seq,
  )!
  const words = bands.map(({ band, seq, scannedOff = 100 }) => {
    const detail = { epoch: taken.epoch, seq: taken.seq, band, scannedMono: mono + scannedOff }
    const one = event(scene, scene[by], { event: 'reading-claimed', detail })
    return { ...one, body: { ...one.body, epoch: 'c1a1c1a1c1a1c1a1', seq } }
  })
  const heard = (): number =>
    site.store.get<{ n: number }>("SELECT count(*) AS n FROM events WHERE event = 'reading-claimed'")!.n
  const before = heard()
  await publish(scene, scene[by], ...words.map(payloadOf))
  await until('the claims heard', patienceMs, () => heard() >= before + words.length)
  const line = (await scene.readings()).find(one => one.epoch === taken.epoch && one.seq === taken.seq)!
  return line.band === null ? 'nobody’s' : `of ${line.band}`
}

let claims = 10
const nextSeq = (): number => ++claims

const attacks: Attack[] = [
  {
    id: 'T03a',
    attack: 'plugs a device in that nobody accepted',
    expected: 'DEVICE_UNREGISTERED, quarantine',
    undefended: 'accept',
    defence: [
      piece(
        'receiver/verify-reading.ts',
        'if (accepted === undefined) return',
        'if (accepted === undefined) return undefined\n  if (false) return',
      ),
    ],
    programs: ['receiver'],
    act: async scene => {
      const mark = scene.mark()
      const fresh = await watch(scene, 'spare')
      print(plugs.get('spare')!, 'ST,GS,+00099.90kg\r\n')
      return outcomeOf(scene, mark, await fresh())
    },
  },
  {
    id: 'T03b',
    attack: 'holds a stolen card, speaks for a device that was removed at the box',
    expected: 'DEVICE_UNREGISTERED, quarantine',
    undefended: 'accept',
    defence: [piece('receiver/acceptances.ts', 'held.removed && isRemoved(', 'false && isRemoved(')],
    programs: ['receiver'],
    act: scene => forge(scene, scene.first, reading(scene, scene.first, { device: 'leaver' })),
  },
  {
    id: 'T11a',
    attack: 'holds one driver, speaks for the device of another',
    expected: 'DEVICE_UNREGISTERED, quarantine',
    undefended: 'accept',
    defence: [piece('receiver/verify-reading.ts', 'accepted.driver !== body.driver.id', 'false')],
    programs: ['receiver'],
    act: scene => {
      const driver = { id: 'tanita-csv', revision: 1, hash: '0'.repeat(64) }
      return forge(scene, scene.first, reading(scene, scene.first, { driver }))
    },
  },
  {
    id: 'T11b',
    attack: 'speaks for an accepted device from another station',
    expected: 'DEVICE_UNREGISTERED, quarantine',
    undefended: 'accept',
    defence: [piece('receiver/verify-reading.ts', 'accepted.station !== body.station', 'false')],
    programs: ['receiver'],
    act: scene => forge(scene, scene.first, reading(scene, scene.first, { station: 'elsewhere' })),
  },
  {
    id: 'T04',
    attack: 'flips one bit on the line: 19.90 kg becomes 99.90 kg',
    expected: 'frame.check, no reading',
    undefended: 'accept',
    defence: [
      piece(
        'driver/checks.ts',
        "if (wrong >= 0) throw new Fault('frame.check', `parity",
        "if (false) throw new Fault('frame.check', `parity",
      ),
    ],
    programs: ['first'],
    act: scene => {
      const honest = even('ST,GS,+00019.90kg')
      // the bit that makes a 9 of the 1; its parity bit stays
      const flipped = `${honest.slice(0, 10)}${String.fromCharCode(honest.charCodeAt(10) ^ 0x08)}${honest.slice(11)}`
      return said(scene, 'guarded', plugs.get('guarded')!, `${flipped}${even('\r\n')}`)
    },
  },
  {
    id: 'T05a',
    attack: 'sends a weight without a unit: pounds, to be taken for kilograms',
    expected: 'frame.malformed, no reading',
    undefended: 'accept',
    defence: [
      piece(
        '../drivers/and-line/driver.ts',
        "if (!isUnit(unit)) throw malformed(unit === '' ?",
        "if (!isUnit(unit)) unit = 'kg'\n  if (!isUnit(unit)) throw malformed(unit === '' ?",
      ),
    ],
    programs: ['first'],
    act: scene => said(scene, 'scale', scene.scale, 'ST,GS,+00099.90\r\n'),
  },
  {
    id: 'T05b',
    attack: 'sends a line that is too long, its end a weight',
    expected: 'frame.too-long, no reading',
    undefended: 'accept',
    defence: [
      piece('driver/cutters.ts', 'overlong = true\n    return told', 'overlong = false\n    return told'),
    ],
    programs: ['first'],
    act: scene => said(scene, 'scale', scene.scale, `${'9'.repeat(63)}ST,GS,+00099.90kg\r\n`),
  },
  {
    id: 'T06',
    attack: 'says a weight that nobody has: 700 kg',
    expected: 'accept, implausible',
    undefended: 'accept',
    // either end notes it by itself
    defence: [
      piece('daemon/station.ts', 'if (!believable)', 'if (false)'),
      piece(
        'receiver/verify-reading.ts',
        'Object.entries(body.values as Values).some(([kind, one])',
        '([] as [string, never][]).some(([kind, one])',
      ),
    ],
    programs: ['receiver', 'first'],
    act: async scene => {
      const weight = scene.weigh(scene.first, 700 + scene.weights.size / 10_000)
      const { verdict, notes } = await scene.arrived(scene.first, weight)
      return notes.includes('implausible') ? `${verdict}, implausible` : verdict
    },
  },
  {
    id: 'T08a',
    attack: 'holds another gateway’s card, claims this one’s reading for a resident of his choice',
    expected: 'nobody’s',
    undefended: 'of FORGED',
    defence: [
      piece(
        'receiver/claims.ts',
        'WHERE claims.gateway = readings.gateway AND claims.boot',
        'WHERE claims.boot',
      ),
      piece(
        'receiver/claims.ts',
        'applyClaims(store, gateway, epoch, seq)\n}',
        'applyClaims(store, store.get<{ gateway: string }>("SELECT gateway FROM readings WHERE epoch = ? AND seq = ?", epoch, seq)!.gateway, epoch, seq)\n}',
      ),
    ],
    programs: ['receiver'],
    act: scene => claim(scene, 'second', [{ band: 'FORGED', seq: nextSeq() }]),
  },
  {
    id: 'T08b',
    attack: 'holds a stolen card, claims a reading by a scan of an hour away',
    expected: 'nobody’s',
    undefended: 'of FORGED',
    defence: [piece('receiver/claims.ts', 'AND abs(claims.scanned - readings.mono) <= ?', 'AND ? > 0')],
    programs: ['receiver'],
    act: scene => claim(scene, 'first', [{ band: 'FORGED', seq: nextSeq(), scannedOff: 3_600_000 }]),
  },
  {
    id: 'T08c',
    attack: 'holds a stolen card, claims a reading that a scan claimed before',
    expected: 'of RIGHT',
    undefended: 'of FORGED',
    defence: [piece('receiver/claims.ts', 'by_epoch, by_seq LIMIT 1', 'by_epoch, by_seq DESC LIMIT 1')],
    programs: ['receiver'],
    act: scene =>
      claim(scene, 'first', [
        { band: 'RIGHT', seq: nextSeq() },
        { band: 'FORGED', seq: nextSeq() },
      ]),
  },
]

export const deviceHop: Hop = { hop: 'device', attacks, prepare }
