import { startRogue } from '../../../scripts/scenario/attacks.ts'
import { until } from '../../../scripts/scenario/program.ts'
import { counted } from '../../../src/receiver/store.ts'
import { patienceMs, type WayBox } from '../../way/site.ts'
import type { Attack, Hop } from '../attack.ts'
import { namesOf, weightOf } from '../outcome.ts'
import type { Piece } from '../piece.ts'
import { isRow, type Pass, redirected, startImpostor, startRogueBroker, welcomed } from '../rogue.ts'
import type { Scene } from '../scene.ts'
import { publish } from '../thief.ts'

const piece = (file: string, text: string, replacement: string): Piece => ({ file, text, replacement })

/** What became of a weight of a gateway: how often it is there, as what, and what was raised about the gateway. */
async function fateOf(scene: Scene, { gateway }: WayBox, mark: number, weight: number): Promise<string> {
  const lines = (await scene.readings()).filter(line => weightOf(line) === weight)
  const fate = lines.length === 0 ? 'lost' : `${lines.length} × ${lines[0]!.verdict}`
  const flags = namesOf((await scene.flagsSince(mark)).filter(one => one.gateway === gateway))
  return flags === '' ? fate : `${flags}, ${fate}`
}

/** A later weighing has arrived: what was to happen before it has happened. */
const later = async (scene: Scene, box: WayBox): Promise<void> =>
  void (await scene.arrived(box, scene.weigh(box)))

/** The rogue keeps some rows of a gateway for himself; gives what became of the first such reading. */
async function withheld(scene: Scene, box: WayBox, keeps: (row: number) => boolean): Promise<string> {
  const mark = scene.mark()
  let rows = 0
  let weighed = false
  const pass: Pass = (payload, from) =>
    weighed && from === box && isRow(payload) && keeps(rows++) ? [] : [payload]
  const rogue = await startRogueBroker(scene, pass)
  const weight = await redirected(scene, rogue, async () => {
    await welcomed(scene)
    // the epoch is open, and the next row is that of the weighing
    await later(scene, box)
    weighed = true
    const kept = scene.weigh(box)
    await until('the row at the rogue', patienceMs, () => rows >= 1)
    if (!keeps(1)) await later(scene, box)
    return kept
  })
  await later(scene, box)
  return fateOf(scene, box, mark, weight)
}

/** A reading that the rogue hears once, and what he does with it then. */
async function repeated(scene: Scene, byRogue: boolean): Promise<string> {
  const mark = scene.mark()
  const known = counted(scene.site.store, 'DUPLICATE')
  let weighed = false
  const mine: Uint8Array[] = []
  const rogue = await startRogueBroker(scene, (payload, box) => {
    if (!weighed || box !== scene.first || !isRow(payload)) return [payload]
    mine.push(payload)
    return byRogue ? [payload, payload] : [payload]
  })
  const weight = await redirected(scene, rogue, async () => {
    await welcomed(scene)
    await later(scene, scene.first)
    weighed = true
    const first = scene.weigh(scene.first)
    await scene.arrived(scene.first, first)
    weighed = false
    return first
  })
  if (!byRogue) await publish(scene, scene.first, mine[0]!)
  await later(scene, scene.first)
  const ignored = counted(scene.site.store, 'DUPLICATE') > known ? 'DUPLICATE counted, ' : ''
  // where each copy is a row of its own, its receipt fits no more, and the gateway sends it again and again
  const fate = (await fateOf(scene, scene.first, mark, weight)).replace(/[2-9] × /, 'more than 1 × ')
  // what it says in a new epoch is believed again
  if (fate.includes('FORK')) await scene.restart('first')
  return `${ignored}${fate}`
}

const pinned = piece('uplink/path.ts', 'if (!pins.includes(fingerprint)) throw', 'if (false) throw')

const holders: Piece[] = [
  piece(
    'receiver/verify.ts',
    'hash: hex(envelopeHash(envelope))',
    'hash: hex(crypto.getRandomValues(new Uint8Array(32)))',
  ),
]

const attacks: Attack[] = [
  {
    id: 'T26a',
    attack: 'leads the line to a server with a valid certificate for the name, for another key',
    expected: 'SERVER_KEY_UNPINNED in status and at the receiver, 0 bytes heard',
    undefended: 'bytes heard',
    defence: [pinned],
    programs: ['first', 'second'],
    act: async scene => {
      const mark = scene.mark()
      const { port, heard, close } = await startRogue(scene.site)
      const told = await redirected(scene, { port, close }, async () => {
        const refused = async () => (await scene.first.status()).uplink.refusal !== undefined
        await until('refused or heard', patienceMs, async () => heard() > 0 || (await refused()))
        return heard() > 0 ? 'bytes heard' : (await scene.status(scene.first)).uplink.refusal?.flag
      })
      if (told === 'bytes heard') return told
      await until('the report', patienceMs, () => scene.mark() > mark)
      const flag = namesOf(await scene.flagsSince(mark))
      return `${told} in status and ${flag === told ? 'at the receiver' : flag}, ${heard()} bytes heard`
    },
  },
  {
    id: 'T26b',
    attack: 'leads the line to a server with a certificate for the name from a public CA',
    expected: 'TLS failed, 0 bytes heard',
    undefended: 'bytes heard',
    // the way to the CA, and the pin behind it
    defence: [
      piece(
        'uplink/path.ts',
        "return path ?? why ?? 'does not lead to a CA of the server entry'",
        'return path ?? [leaf]',
      ),
      pinned,
    ],
    programs: ['first', 'second'],
    act: async scene => {
      const rogue = await startImpostor()
      return redirected(scene, rogue, async () => {
        const failed = async () =>
          (await scene.status(scene.first)).notices.some(one => /^TLS with .* failed: /.test(one))
        let refused = false
        await until('refused or heard', patienceMs, async () => {
          refused = await failed()
          return refused || rogue.bytes() > 0
        })
        return rogue.bytes() > 0 ? 'bytes heard' : `TLS failed, ${rogue.bytes()} bytes heard`
      })
    },
  },
  {
    id: 'T27a',
    attack: 'has the broker’s key, plays the broker without a server behind it',
    expected: '0 rows leave the gateway, the reading arrives later: 1 × accept',
    undefended: 'rows leave the gateway',
    defence: [
      piece(
        'uplink/session.ts',
        'events.connected()\n      sayHello().catch(failed)',
        'events.connected()\n      welcomed = true\n      window.begin(size)\n      sayHello().catch(failed)',
      ),
    ],
    programs: ['first'],
    act: async scene => {
      const mark = scene.mark()
      const rogue = await startRogueBroker(scene)
      const weight = await redirected(scene, rogue, async () => {
        await until('a hello', patienceMs, () => rogue.heard.length >= 2)
        const first = scene.weigh(scene.first)
        const queued = async () => (await scene.status(scene.first)).outbox.queued > 0
        await until('the row on disk', patienceMs, queued)
        // what leaves unasked has left by the time that the box was asked once more
        await scene.status(scene.first)
        return first
      })
      if (rogue.heard.some(isRow)) return 'rows leave the gateway'
      await later(scene, scene.first)
      return `0 rows leave the gateway, the reading arrives later: ${await fateOf(scene, scene.first, mark, weight)}`
    },
  },
  {
    id: 'T30',
    attack: 'has the broker’s key, hands on every row twice',
    expected: 'DUPLICATE counted, 1 × accept',
    undefended: 'FORK, more than 1 × flag',
    defence: holders,
    programs: ['receiver'],
    act: scene => repeated(scene, true),
  },
  {
    id: 'T31a',
    attack: 'has the broker’s key, hands on an old row once more',
    expected: 'DUPLICATE counted, 1 × accept',
    undefended: 'FORK, more than 1 × flag',
    defence: holders,
    programs: ['receiver'],
    act: scene => repeated(scene, false),
  },
  {
    id: 'T31b',
    attack: 'has the broker’s key, hands on a hello of before the last handshakes',
    expected: 'nobody is accused',
    undefended: 'CLONE_SUSPECT',
    defence: [
      piece(
        'receiver/session.ts',
        'if (known !== undefined) return [{ topic, payload: known.welcome }]',
        `const newer = store.get('SELECT 1 FROM sessions WHERE gateway = ? AND token > ? AND ready IS NOT NULL', gateway, body.token)
  if (newer !== undefined) raiseOnce(store, { flag: 'CLONE_SUSPECT', gateway, detail: 'judged by hello', at: now })
  if (known !== undefined) return [{ topic, payload: known.welcome }]`,
      ),
    ],
    programs: ['receiver'],
    act: async scene => {
      const hellos: Uint8Array[] = []
      const rogue = await startRogueBroker(scene, (payload, box) => {
        if (box === scene.first && !isRow(payload)) hellos.push(payload)
        return [payload]
      })
      await redirected(scene, rogue, () => welcomed(scene))
      await scene.restart('first')
      await welcomed(scene)
      const mark = scene.mark()
      await publish(scene, scene.first, hellos[0]!)
      await later(scene, scene.first)
      return namesOf(await scene.flagsSince(mark)) || 'nobody is accused'
    },
  },
  {
    id: 'T27b',
    attack: 'has the broker’s key, reads everything that passes',
    expected: 'nothing to read',
    undefended: 'reads it',
    defence: [
      piece(
        'wire/envelope.ts',
        'const box = seal24(plain, nonceOf(header, to.publicKey), key)',
        'const box = concat(new Uint8Array(16), plain)',
      ),
    ],
    programs: ['first'],
    act: async scene => {
      const rogue = await startRogueBroker(scene, payload => [payload])
      const words = ['"iss"', '"software"', 'body-weight', 'and-line', 'bench']
      const read = (): boolean => rogue.heard.some(one => words.some(word => Buffer.from(one).includes(word)))
      return redirected(scene, rogue, async () => {
        await until('a hello', patienceMs, () => rogue.heard.length >= 2)
        const weight = scene.weigh(scene.first)
        words.push(String(weight), String(Math.round(weight * 10_000)))
        await until('rows at the rogue', patienceMs, () => read() || rogue.heard.some(isRow))
        const told = read() ? 'reads it' : 'nothing to read'
        // the test build cannot be understood by its server: the true build goes on
        if (told === 'reads it') {
          scene.without([], [])
          await scene.restart('first')
        }
        return told
      })
    },
  },
  {
    id: 'T28',
    attack: 'has the broker’s key, acknowledges every row and hands on none',
    expected: '1 × accept',
    undefended: 'lost',
    // without it: what was sent is as good as received
    defence: [
      piece(
        'daemon/custody-holder.ts',
        'return sound.map(({ id, epoch, seq, envelope }) =>',
        `for (const { id } of sound) outbox.db.prepare('DELETE FROM row WHERE id = ?').run(id)
    return sound.map(({ id, epoch, seq, envelope }) =>`,
      ),
    ],
    programs: ['first'],
    act: scene => withheld(scene, scene.first, () => true),
  },
  {
    id: 'T29',
    attack: 'has the broker’s key, keeps one row and hands on the next, so that its receipt covers both',
    expected: '1 × accept',
    undefended: 'lost',
    // without it: whatever comes next is taken for the next in the chain
    defence: [
      piece(
        'receiver/chains.ts',
        'if (row.seq === 1) root(store, row, server)',
        `if (row.seq === 1) root(store, row, server)
  else if (placeAt(store, row, row.seq - 1, row.prev) === undefined) {
    const last = store.get<{ id: number }>('SELECT id FROM branches WHERE gateway = ? AND epoch = ?', row.gateway, row.epoch)
    if (last !== undefined) {
      store.run('INSERT INTO places VALUES (?, ?, ?, ?, ?)', row.gateway, row.epoch, row.seq - 1, row.prev, last.id)
      store.run('UPDATE branches SET seq = ?, head = ? WHERE id = ?', row.seq - 1, row.prev, last.id)
    }
  }`,
      ),
    ],
    programs: ['receiver'],
    act: scene => withheld(scene, scene.second, row => row === 0),
  },
]

export const lineHop: Hop = { hop: 'line', attacks }
