import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { base32, base64url } from '../../src/base/bytes.ts'
import { makeCsr } from '../../src/identity/csr.ts'
import { readKeys } from '../../src/identity/keys.ts'
import { paths, readFacts } from '../../src/receiver/state.ts'
import { keyId, makePair, signingKey } from '../../src/wire/keys.ts'
import { decodeBody, encodeBody, publish, signStatement } from '../../src/wire/statement.ts'
import { requestWords } from '../../src/wire/words.ts'
import { type Attack, runAttacks } from './attack.ts'
import { faultOf } from './build.ts'
import type { Piece } from './piece.ts'
import { openScene, type Scene } from './scene.ts'
import { forge, ownKey, reading } from './thief.ts'

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
  // what it says would be doubted meanwhile, and tell nothing about the attack
  await scene.stop('first')
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
    await scene.start('first')
  }
}

const newest = (rows: readonly Row[], type: string, subject: string): Row =>
  rows.findLast(row => row.type === type && row.subject === subject)!

const putBody = (db: Database.Database, { id }: Row, body: Uint8Array, by: Uint8Array): void =>
  void db.prepare('UPDATE statements SET body = ?, signature = ? WHERE id = ?').run(body, by, id)

const bodyOf = (row: Row): Record<string, unknown> => decodeBody(Uint8Array.from(row.body))

/** The parts of a request that an attacker may word as he likes. */
interface Asked {
  sign?: Uint8Array
  box?: Uint8Array
  csr?: (pem: string) => string
  /** The words that the technician reads from the true box; those of the request if left out. */
  words?: string
}

/** A request of the attacker's is brought to the operator, who enrols it by its words; the fault, if any. */
async function enrol(scene: Scene, asked: Asked): Promise<string> {
  const { site, build } = scene
  const key = signingKey(makePair('ed25519').secret)
  const gateway = base32(Uint8Array.from(randomBytes(16)))
  const tls = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey
  const csr = await makeCsr(gateway, String(tls.export({ format: 'pem', type: 'pkcs8' })))
  const sign = asked.sign ?? key.publicKey
  const statement = signStatement(
    'request',
    {
      gateway,
      kid: keyId('ed25519', sign),
      keys: { sign: base64url(sign), box: base64url(asked.box ?? makePair('x25519').publicKey) },
      csr: asked.csr?.(csr) ?? csr,
      hardware: 'a box',
      software: '0.1.0',
      made: Date.now(),
    },
    key,
  )
  const file = join(site.folder, 'forged.request.json')
  writeFileSync(file, JSON.stringify(publish(statement)))
  const words = asked.words ?? requestWords(statement, gateway).join(' ')
  const ended = await build.type(
    'vitalgate-receiver',
    ...['--state', site.receiver, '--json', 'registry', 'enrol', file, '--site', 'test', '--words', words],
    ...['--out', join(site.folder, 'forged'), '--passphrase-file', join(site.folder, 'passphrase')],
  )
  return faultOf(ended) ?? 'enrolled'
}

/** A point of small order: what is sealed to it, everybody can open (WIRE 2.3). */
const smallOrder = Uint8Array.of(1, ...new Uint8Array(31))

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
        'receiver/registry.ts',
        'if (subject === row.subject && version === row.version) return body',
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
          const certified = { ...bodyOf(operator), key: base64url(key.publicKey) }
          putBody(db, operator, encodeBody(certified), operator.signature)
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
      )
    },
  },
  {
    id: 'T50a',
    attack: 'asks to be enrolled with a box key to which everything is sealed for everybody',
    expected: 'input.invalid',
    undefended: 'enrolled',
    defence: [piece('wire/points.ts', 'if (smallOrderU.has(u))', 'if (false)')],
    programs: [],
    act: scene => enrol(scene, { box: smallOrder }),
  },
  {
    id: 'T50b',
    attack: 'asks to be enrolled with a signing key that he does not hold',
    expected: 'input.invalid',
    undefended: 'enrolled',
    defence: [signature],
    programs: [],
    act: scene => enrol(scene, { sign: makePair('ed25519').publicKey }),
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
    act: scene => enrol(scene, { csr: unproven }),
  },
  {
    id: 'T50d',
    attack: 'exchanges the request on its way to the operator, who has the true box’s words',
    expected: 'words.mismatch',
    undefended: 'enrolled',
    defence: [piece('receiver/enrol.ts', 'if (sameWords(typed, words)) return\n', 'return\n')],
    programs: [],
    act: scene => enrol(scene, { words: 'abandon ability able about above absent' }),
  },
]

runAttacks('registry', () => openScene('embedded'), attacks)
