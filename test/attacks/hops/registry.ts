import Database from 'better-sqlite3'
import { base64url } from '../../../src/base/bytes.ts'
import { readKeys } from '../../../src/identity/keys.ts'
import { paths, readFacts } from '../../../src/receiver/state.ts'
import { makePair } from '../../../src/wire/keys.ts'
import { decodeBody, encodeBody, signStatement } from '../../../src/wire/statement.ts'
import type { Attack, Hop } from '../attack.ts'
import { faultOf } from '../build.ts'
import type { Piece } from '../piece.ts'
import { type Asked, enrol } from '../request.ts'
import type { Scene } from '../scene.ts'
import { forge, ownKey, reading } from '../thief.ts'

// The registry and who enters it: an insider with the database, and requests that are not what they seem.

const piece = (file: string, text: string, replacement: string): Piece => ({ file, text, replacement })

const signature = piece('wire/registry.ts', 'if (!isSignedBy(statement, key))', 'if (false)')

interface Row {
  id: number
  type: string
  subject: string
  version: number
  body: Buffer
  signature: Buffer
  at: number
  actor: string
}

const triggers = ['statements_stay', 'statements_remain'] as const

/** An insider edits the table of statements while the receiver is down; `act` sees what it makes of that. */
async function inside(
  scene: Scene,
  edit: (db: Database.Database, rows: Row[]) => void,
  act: () => Promise<string>,
  { isDoubted = false, isRefused = false } = {},
): Promise<string> {
  const { database } = paths(scene.site.receiver)
  const change = (work: (db: Database.Database) => void): void => {
    const db = new Database(database)
    const made = triggers.map(name =>
      db.prepare<[string], string>('SELECT sql FROM sqlite_schema WHERE name = ?').pluck().get(name),
    )
    for (const name of triggers) db.exec(`DROP TRIGGER ${name}`)
    work(db)
    for (const sql of made) db.exec(sql!)
    db.close()
  }
  let before: Row[] = []
  // what was measured before is judged by what the registry was then
  await scene.settled()
  // what it says would be doubted meanwhile, and tell nothing about the attack
  if (isDoubted) await scene.stop('first')
  // commands refuse such a database as well
  if (isRefused) scene.lookWith(scene.build)
  await scene.restart('receiver', () =>
    change(db => {
      before = db.prepare<[], Row>('SELECT * FROM statements ORDER BY id').all()
      edit(db, before)
    }),
  )
  try {
    const { first, site, build } = scene
    const shown = await build.type(
      'vitalgate-receiver',
      ...['--state', site.receiver, '--json', 'registry', 'show', first.gateway],
    )
    return faultOf(shown) ?? (await act())
  } finally {
    await scene.restart('receiver', () =>
      change(db => {
        db.exec('DELETE FROM statements')
        const insert = db.prepare('INSERT INTO statements VALUES (?, ?, ?, ?, ?, ?, ?, ?)')
        for (const one of before)
          insert.run(one.id, one.type, one.subject, one.version, one.body, one.signature, one.at, one.actor)
      }),
    )
    scene.lookWith(scene.plain)
    if (isDoubted) await scene.start('first')
  }
}

const newest = (rows: readonly Row[], type: string, subject: string): Row =>
  rows.findLast(row => row.type === type && row.subject === subject)!

const putBody = (db: Database.Database, { id }: Row, body: Uint8Array, by: Uint8Array): void =>
  void db.prepare('UPDATE statements SET body = ?, signature = ? WHERE id = ?').run(body, by, id)

const bodyOf = (row: Row): Record<string, unknown> => decodeBody(Uint8Array.from(row.body))

/** What became of a request. */
const enrolled = async (scene: Scene, asked: Asked): Promise<string> =>
  (await enrol(scene, asked, scene.build)).outcome

/** The same certificate request with one bit of its signature flipped: nobody holds its key, as far as it shows. */
function unproven(pem: string): string {
  const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64')
  der[der.length - 1]! ^= 1
  return `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64').replace(/(.{64})/g, '$1\n')}\n-----END CERTIFICATE REQUEST-----`
}

const attacks: Attack[] = [
  {
    id: 'T48a',
    attack: 'is an insider with the database, puts his key into a gateway’s binding',
    expected: 'store.damaged',
    undefended: 'accept',
    defence: [signature],
    programs: ['receiver'],
    act: scene => {
      const { first } = scene
      const key = ownKey()
      return inside(
        scene,
        (db, rows) => {
          const row = newest(rows, 'binding', first.gateway)
          const body = bodyOf(row)
          const keys = { ...(body.keys as object), sign: base64url(key.publicKey) }
          putBody(db, row, encodeBody({ ...body, keys }), row.signature)
        },
        async () => {
          const words = reading(scene, first)
          return forge(scene, first, { ...words, key, body: { ...words.body, kid: key.kid } })
        },
        { isDoubted: true },
      )
    },
  },
  {
    id: 'T48b',
    attack: 'is an insider with the database, accepts a device that no operator accepted',
    expected: 'store.damaged',
    undefended: 'accept',
    defence: [signature],
    programs: ['receiver'],
    act: scene => {
      const { first } = scene
      return inside(
        scene,
        (db, rows) => {
          const row = newest(rows, 'device-list', first.gateway)
          const body = bodyOf(row)
          const ghost = { device: 'ghost', driver: 'and-line', station: 'bench', proposal: '0'.repeat(64) }
          const devices = [...(body.devices as object[]), ghost]
          putBody(db, row, encodeBody({ ...body, devices }), row.signature)
        },
        () => forge(scene, first, reading(scene, first, { device: 'ghost' })),
      )
    },
  },
  {
    id: 'T48c',
    attack: 'is an insider with the database, puts another gateway’s binding in this one’s place',
    expected: 'store.damaged',
    undefended: 'accept',
    defence: [
      piece(
        'receiver/registry-believe.ts',
        "if (subject === row.subject && (type === 'operator' || version === row.version)) return body",
        'if (subject && version) return body',
      ),
    ],
    programs: ['receiver'],
    act: scene => {
      const { first, second } = scene
      return inside(
        scene,
        (db, rows) => {
          const other = newest(rows, 'binding', second.gateway)
          putBody(db, newest(rows, 'binding', first.gateway), other.body, other.signature)
        },
        () => {
          const key = readKeys(second.state).sign
          const words = reading(scene, first)
          return forge(scene, first, { ...words, key, body: { ...words.body, kid: key.kid } })
        },
        { isDoubted: true },
      )
    },
  },
  {
    id: 'T48d',
    attack: 'is an insider with the database, enters an operator of his own who accepts a device',
    expected: 'store.damaged',
    undefended: 'accept',
    defence: [signature],
    programs: ['receiver'],
    act: scene => {
      const { first, site } = scene
      const key = ownKey()
      return inside(
        scene,
        (db, rows) => {
          const operator = newest(rows, 'operator', readFacts(site.receiver).operator)
          const certified = { ...bodyOf(operator), operator: 'intruder', key: base64url(key.publicKey) }
          db.prepare('INSERT INTO statements VALUES (?, ?, ?, ?, ?, ?, ?, ?)').run(
            ...[rows.at(-1)!.id + 1, 'operator', 'intruder', 1, encodeBody(certified), operator.signature],
            ...[operator.at, operator.actor],
          )
          const list = newest(rows, 'device-list', first.gateway)
          const ghost = { device: 'ghost', driver: 'and-line', station: 'bench', proposal: '0'.repeat(64) }
          const { kid: _, devices, ...rest } = bodyOf(list)
          const signed = signStatement(
            'device-list',
            { kid: key.kid, ...rest, devices: [...(devices as object[]), ghost] },
            key,
          )
          putBody(db, list, signed.body, signed.signature)
        },
        () => forge(scene, first, reading(scene, first, { device: 'ghost' })),
        { isRefused: true },
      )
    },
  },
  {
    id: 'T50b',
    attack: 'asks to be enrolled with a signing key that he does not hold',
    expected: 'input.invalid',
    undefended: 'enrolled',
    defence: [signature],
    programs: [],
    act: scene => enrolled(scene, { sign: makePair('ed25519').publicKey }),
  },
  {
    id: 'T50c',
    attack: 'asks for a certificate for a TLS key that he does not hold',
    expected: 'input.invalid',
    undefended: 'enrolled',
    defence: [
      piece('receiver/authority.ts', "if (!proven) return refuse('is not signed with the key in it')", ''),
    ],
    programs: [],
    act: scene => enrolled(scene, { csr: unproven }),
  },
  {
    id: 'T50d',
    attack: 'exchanges the request on its way to the operator, who has the true box’s words',
    expected: 'words.mismatch',
    undefended: 'enrolled',
    defence: [piece('receiver/enrol.ts', 'if (sameWords(typed, words)) return\n', 'return\n')],
    programs: [],
    act: scene => enrolled(scene, { words: 'abandon ability able about above absent' }),
  },
]

export const registryHop: Hop = { hop: 'registry', attacks }
