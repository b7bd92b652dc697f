import { chmodSync, cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../../../scripts/scenario/program.ts'
import { hex } from '../../../src/base/bytes.ts'
import { places } from '../../../src/identity/places.ts'
import { patienceMs } from '../../way/site.ts'
import type { Attack, Hop } from '../attack.ts'
import { faultOf } from '../build.ts'
import { copyDatabase, type DiskRow, heal, holds, onDisk, tampered, verified } from '../card.ts'
import { namesOf } from '../outcome.ts'
import type { Piece } from '../piece.ts'
import type { Scene } from '../scene.ts'

// The box and its disk: whoever has it in his hands.

const piece = (file: string, text: string, replacement: string): Piece => ({ file, text, replacement })

/** Without it nobody looks at the disk when the box starts. */
const noCheck = piece(
  'daemon/custody-holder.ts',
  'journal.lose(found.losses)\n      return found.done',
  'return true',
)

/** The card as it was copied when the scene began. */
let card = ''

async function prepare(scene: Scene): Promise<void> {
  card = join(scene.site.folder, 'card')
  await scene.stop('first')
  cpSync(scene.first.state, card, { recursive: true })
  await scene.start('first')
}

/** The stolen card runs in another box, a minute after the true box shook hands. */
async function clone(scene: Scene): Promise<string> {
  const { first, site } = scene
  const told = onDisk({ ...first, state: card }, db =>
    db.prepare<[], number>("SELECT value FROM meta WHERE name = 'token'").pluck().get(),
  )
  const confirmed = (): boolean =>
    site.store.get(
      'SELECT 1 FROM sessions WHERE gateway = ? AND token > ? AND ready IS NOT NULL',
      first.gateway,
      told!,
    ) !== undefined
  await until('a handshake of the true box', patienceMs, confirmed)
  // a minute passes: nearer handshakes may have crossed on their way and accuse nobody (WIRE 7.4)
  site.store.run('UPDATE sessions SET at = at - 61000, ready = ready - 61000')
  const mark = scene.mark()
  const state = join(site.folder, `clone-${mark}`)
  cpSync(card, state, { recursive: true })
  chmodSync(state, 0o700)
  rmSync(join(state, 'devices.toml'))
  await scene.stop('first')
  const log = join(site.folder, 'clone.log')
  const program = scene.build.start('vitalgate', ['--state', state, 'run'], log)
  try {
    await until('the clone welcomed', patienceMs, async () => {
      const { out } = await scene.plain.type('vitalgate', '--state', state, '--json', 'status')
      const [crash] = program.crashes()
      if (crash !== undefined) throw new Error(crash)
      return out.includes('"state":"welcomed"')
    })
  } finally {
    await program.end('SIGTERM')
  }
  await scene.start('first')
  await scene.arrived(first, scene.weigh(first))
  const flags = await scene.flagsSince(mark)
  // what it says is suspected once, until an operator has looked at it
  await scene.type('registry', 'release', first.gateway, '--by', 'test', '--why', 'seen')
  return namesOf(flags) || 'nobody suspected'
}

/** The disk goes back to what it was: numbers were given since that it does not know. */
async function rollBack(scene: Scene): Promise<string> {
  const { first, site } = scene
  const { outbox } = places(first.state)
  const copy = join(site.folder, 'older-outbox.db')
  const mark = scene.mark()
  await scene.restart('first', () => copyDatabase(outbox, copy))
  await scene.arrived(first, scene.weigh(first))
  await scene.restart('first', () => copyDatabase(copy, outbox))
  const { verdict } = await scene.arrived(first, scene.weigh(first))
  const flags = namesOf(await scene.flagsSince(mark))
  return flags === '' ? verdict : `${flags}, ${verdict}`
}

/** Deletes the middle row and notes that it was forgotten under a receipt. */
function pretendForgotten(
  scene: Scene,
  db: Parameters<typeof onDisk>[1] extends (db: infer D) => unknown ? D : never,
  [, row]: DiskRow[],
  forged: boolean,
): void {
  const { id, epoch, seq, prev, head } = row!
  const { epoch: name } = db
    .prepare<[number], { epoch: string }>('SELECT epoch FROM epoch WHERE id = ?')
    .get(epoch)!
  scene.written.add(`${name} ${seq}`)
  db.prepare('DELETE FROM row WHERE id = ?').run(id)
  db.prepare("INSERT INTO gone VALUES (?, ?, ?, ?, ?, 'forgotten')").run(epoch, seq, seq, prev, head)
  db.prepare('UPDATE epoch SET queued = queued - 1 WHERE id = ?').run(epoch)
  if (!forged) return
  const body = Buffer.from(JSON.stringify({ epoch: name, seq, head: hex(head), holes: [] }))
  const { lastInsertRowid } = db
    .prepare("INSERT INTO proof (type, body, signature) VALUES ('receipt', ?, ?)")
    .run(body, Buffer.alloc(64, 1))
  db.prepare('INSERT INTO receipt (epoch, seq, head, holes, time, proof) VALUES (?, ?, ?, ?, ?, ?)').run(
    ...[epoch, seq, head, '[]', Date.now(), lastInsertRowid],
  )
}

/** Puts one envelope in the place of another. */
const overwrite = (db: Parameters<typeof pretendForgotten>[1], place: DiskRow, envelope: Buffer): void =>
  void db.prepare('UPDATE row SET envelope = ? WHERE id = ?').run(envelope, place.id)

/** `config check` does what start-up does. */
async function checked(scene: Scene): Promise<string> {
  const { first } = scene
  return (
    faultOf(await scene.build.type('vitalgate', '--state', first.state, '--json', 'config', 'check')) ??
    'starts all the same'
  )
}

const attacks: Attack[] = [
  {
    id: 'T15a',
    attack: 'puts a copy of one waiting row in the place of another',
    expected: 'GAP, 1 of 3 lost',
    undefended: 'nothing told, 1 of 3 lost',
    // looked at when the box starts, and again before a row is sent
    defence: [
      noCheck,
      piece('daemon/custody-holder.ts', 'outbox.chain.next(row.prev, row.envelope) === row.head', 'true'),
    ],
    programs: ['first'],
    heal,
    act: scene => tampered(scene, (db, [one, two]) => overwrite(db, two!, one!.envelope)),
  },
  {
    id: 'T15b',
    attack: 'deletes a waiting row',
    expected: 'GAP, 1 of 3 lost',
    undefended: 'nothing told, 1 of 3 lost',
    defence: [noCheck],
    programs: ['first'],
    heal,
    act: scene =>
      tampered(scene, (db, [, two]) => void db.prepare('DELETE FROM row WHERE id = ?').run(two!.id)),
  },
  {
    id: 'T15c',
    attack: 'swaps two waiting rows',
    expected: 'nothing told, 0 of 3 lost',
    undefended: 'nothing told, 2 of 3 lost',
    defence: [piece('daemon/custody-losses.ts', 'outbox.commit(() => mend(outbox, epoch, examined))', '')],
    programs: ['first'],
    heal,
    act: scene =>
      tampered(scene, (db, [one, two]) => {
        overwrite(db, one!, two!.envelope)
        overwrite(db, two!, one!.envelope)
      }),
  },
  {
    id: 'T15d',
    attack: 'deletes a waiting row and notes that it was forgotten; the technician verifies the outbox',
    expected: 'outbox.damaged: missing',
    undefended: 'in order',
    defence: [piece('outbox/verify.ts', ': uncovered([first, last], receipts)', ': []')],
    programs: ['first'],
    heal,
    act: async scene => {
      let told = ''
      await tampered(
        scene,
        (db, rows) => pretendForgotten(scene, db, rows, false),
        async () => {
          told = await verified(scene, scene.first)
        },
      )
      return told
    },
  },
  {
    id: 'T15e',
    attack: 'deletes a waiting row and forges the receipt under which it was forgotten',
    expected: 'GAP, 1 of 3 lost',
    undefended: 'nothing told, 1 of 3 lost',
    defence: [piece('daemon/custody-settle.ts', 'lose(losses.regret(epoch, answer, known))', '')],
    programs: ['first'],
    heal,
    act: scene => tampered(scene, (db, rows) => pretendForgotten(scene, db, rows, true)),
  },
  {
    id: 'T14',
    attack: 'brings the box’s disk back to an older state: numbers would be given twice',
    expected: 'accept',
    undefended: 'FORK, flag',
    defence: [
      piece(
        'daemon/custody-journal.ts',
        'const before = epochs.newest()\n',
        'const before = epochs.newest()\n    if (before !== undefined) {\n      memory.current = before.id\n      return\n    }\n',
      ),
    ],
    programs: ['first'],
    heal,
    act: rollBack,
  },
  {
    id: 'T18a',
    attack: 'has an account on the box and finds the key file open to all',
    expected: 'permission',
    undefended: 'starts all the same',
    defence: [piece('base/files.ts', 'if (secret && (mode & 0o077) !== 0)', 'if (false)')],
    programs: [],
    act: async scene => {
      const { keys } = places(scene.first.state)
      chmodSync(keys, 0o644)
      try {
        return await checked(scene)
      } finally {
        chmodSync(keys, 0o600)
      }
    },
  },
  {
    id: 'T18b',
    attack: 'has an account on the box and finds its state folder open to all',
    expected: 'permission',
    undefended: 'starts all the same',
    defence: [piece('base/files.ts', 'if ((mode & 0o077) === 0) return\n', 'return\n')],
    programs: [],
    act: async scene => {
      const { state } = scene.first
      chmodSync(state, 0o755)
      try {
        return await checked(scene)
      } finally {
        chmodSync(state, 0o700)
      }
    },
  },
  {
    id: 'T12',
    attack: 'steals the card and reads it',
    expected: 'nothing to read',
    undefended: 'reads the weight',
    defence: [
      piece(
        'wire/envelope.ts',
        'const box = seal24(plain, nonceOf(header, to.publicKey), key)',
        'const box = concat(new Uint8Array(16), plain)',
      ),
    ],
    programs: ['first'],
    heal,
    act: async scene => {
      const { first } = scene
      const taken = async () => (await first.status()).devices[0]!.readings
      const before = await taken()
      const weight = scene.weigh(first)
      await until('taken', patienceMs, async () => (await taken()) > before)
      const digits = String(Math.round(weight * 10_000))
      const line = hex(Buffer.from(`${weight.toFixed(4).padStart(9, '0')}kg`))
      return holds(first, ['body-weight', digits, line]) ? 'reads the weight' : 'nothing to read'
    },
  },
  {
    id: 'T13',
    attack: 'runs a copy of the card in another box',
    expected: 'CLONE_SUSPECT',
    undefended: 'nobody suspected',
    defence: [piece('receiver/session.ts', 'if (missed !== undefined)', 'if (false)')],
    programs: ['receiver'],
    act: clone,
  },
]

export const diskHop: Hop = { hop: 'disk', attacks, prepare }
