import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { type Bytes, base32 } from '../../src/base/bytes.ts'
import { type Custody, type CustodySettings, openCustody } from '../../src/daemon/custody.ts'
import type { Draft } from '../../src/wire/chained.ts'
import { open } from '../../src/wire/envelope.ts'
import { type BoxKey, boxKey, makePair, type SigningKey, signingKey, verifyKey } from '../../src/wire/keys.ts'
import type { HelloBody, ReceiptBody, WelcomeBody } from '../../src/wire/session.ts'
import { decodeBody, isSignedBy, type Statement, signStatement } from '../../src/wire/statement.ts'

/** One gateway and its server, with keys made for the test, and a folder for the outbox. */
export interface Scene {
  settings: CustodySettings
  folder: string
  box: BoxKey
  receiptKey: SigningKey
  /** Opens custody on the scene's file; closed at the end of the scene. */
  start(change?: Partial<CustodySettings>): Promise<Custody>
  /** Opens an envelope as the server does and proves its signature. */
  read(envelope: Uint8Array): { type: string; body: Record<string, unknown> }
  /** A signed receipt. */
  receipt(
    place: { epoch: string; seq: number; head: string },
    more?: Partial<ReceiptBody>,
  ): { body: ReceiptBody; statement: Statement }
  /** A signed welcome. */
  welcome(
    epochs: WelcomeBody['epochs'],
    more?: Partial<WelcomeBody>,
  ): { body: WelcomeBody; statement: Statement }
  /** The file under custody's feet: only while it is stopped. */
  edit<T>(work: (db: Database.Database) => T): T
  clear(): Promise<void>
}

export const boot = '0123456789abcdef0123456789abcdef'
export const moment = (mono = 1000): Draft['time'] => ({
  wall: 1_780_000_000_000 + mono,
  source: 'ntp',
  uncertainty: 5,
  boot,
  mono,
})

/** A made-up weight; `mono` tells drafts apart. */
export const weight = (mono: number, raw = '53542c2b303030372e3234206b670d0a'): Draft => ({
  type: 'reading',
  time: moment(mono),
  members: {
    station: 'bench',
    device: 'scale-1',
    driver: { id: 'acme-ws100', revision: 1, hash: 'ab'.repeat(32) },
    link: { kind: 'serial', check: 'parity' },
    raw,
    values: { 'body-weight': { n: 7240, s: 2, u: 'kg' } },
    notes: [],
  },
})

export const removed = (mono: number): Draft => ({
  type: 'event',
  time: moment(mono),
  members: { event: 'device-removed', detail: { device: 'scale-1' } },
})

export const helloMembers = {
  nonce: 'cd'.repeat(16),
  boot,
  software: '0.1.0',
  drivers: 'ef'.repeat(32),
  clock: moment(2000),
  versions: { binding: 1, serverEntry: 1, devices: 0, revocations: 0 },
}

const id = (): string => base32(randomBytes(16))

export function scene(change: Partial<CustodySettings> = {}): Scene {
  const folder = mkdtempSync(join(tmpdir(), 'custody-'))
  const seed: Bytes = makePair('ed25519').secret
  const box = boxKey(makePair('x25519').secret)
  const receiptKey = signingKey(makePair('ed25519').secret)
  const key = verifyKey(signingKey(seed).publicKey)
  const gatewayBox = boxKey(makePair('x25519').secret)
  const settings: CustodySettings = {
    path: join(folder, 'outbox.db'),
    quotaBytes: 64 * 1024 * 1024,
    intakeBytes: 48 * 1024 * 1024,
    graceMs: 1000,
    gateway: id(),
    seed,
    server: id(),
    serverBox: box.publicKey,
    software: '0.1.0',
    ...change,
  }
  const running: Custody[] = []
  const parties = {
    iss: settings.server,
    kid: receiptKey.kid,
    aud: settings.gateway,
    akid: gatewayBox.kid,
  }
  return {
    settings,
    folder,
    box,
    receiptKey,
    start: async (other = {}) => {
      const custody = await openCustody({ ...settings, ...other })
      running.push(custody)
      return custody
    },
    read: envelope => {
      const statement = open(envelope, box)
      if (!isSignedBy(statement, key)) throw new Error('signature does not verify')
      return { type: statement.type, body: decodeBody(statement.body) }
    },
    receipt: ({ epoch, seq, head }, more = {}) => {
      const body = { ...parties, epoch, seq, head, holes: [], time: 1_780_000_100_000, ...more }
      return { body, statement: signStatement('receipt', body, receiptKey) }
    },
    welcome: (epochs, more = {}) => {
      const body = {
        ...parties,
        nonce: helloMembers.nonce,
        serverNonce: '12'.repeat(16),
        epochs,
        status: 'ok' as const,
        token: 1,
        time: 1_780_000_100_000,
        minVersion: '0.1.0',
        versions: helloMembers.versions,
        ...more,
      }
      return { body, statement: signStatement('welcome', body, receiptKey) }
    },
    edit: work => {
      const db = new Database(settings.path)
      try {
        return work(db)
      } finally {
        db.close()
      }
    },
    clear: async () => {
      await Promise.allSettled(running.map(one => one.stop()))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** What a hello says, as the server reads it. */
export const helloOf = (at: Scene, envelope: Uint8Array): HelloBody =>
  at.read(envelope).body as unknown as HelloBody
