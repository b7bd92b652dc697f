import { randomBytes } from 'node:crypto'
import { base32 } from '../../src/base/bytes.ts'
import type { Custodian, Row, Settled } from '../../src/uplink/custodian.ts'
import type { SessionEvents } from '../../src/uplink/session.ts'
import { unpack } from '../../src/wire/envelope.ts'
import { boxKey, boxPublic, makePair, signingKey, verifyKey } from '../../src/wire/keys.ts'
import { openFrom, type Sealed, signAndSeal } from '../../src/wire/message.ts'

const newId = (): string => base32(randomBytes(16))
export const epoch = '00000000000000aa'
export const clock = {
  // the broker's certificate counts today
  wall: Date.now(),
  source: 'ntp' as const,
  uncertainty: 5,
  boot: 'ab'.repeat(16),
  mono: 1,
}
export const versions = { binding: 1, serverEntry: 1, devices: 0, revocations: 0 }
const nothing: Settled = { receipted: 0, reopened: 0, forgotten: 0, upTo: [], refused: [] }

/** A gateway with one row that waits, a custodian that never settles anything, and the server's keys. */
export function makeParties() {
  const [gateway, server] = [newId(), newId()]
  const sign = signingKey(makePair('ed25519').secret)
  const receipt = signingKey(makePair('ed25519').secret)
  const box = boxKey(makePair('x25519').secret)
  const serverBox = boxKey(makePair('x25519').secret)
  const from = { id: gateway, key: sign }
  const to = { id: server, box: boxPublic(serverBox.publicKey) }
  const row: Row = { id: 1, parcel: { epoch, seq: 1, envelope: new Uint8Array(randomBytes(300)) } }
  const custodian: Custodian = {
    hello: async (members): Promise<Sealed> =>
      signAndSeal('hello', from, to, { ...members, epochs: [], token: 0 }),
    ready: async (welcome, seen): Promise<Sealed> =>
      signAndSeal('ready', from, to, { serverNonce: welcome.serverNonce, token: welcome.token, seen }),
    due: async afterId => (afterId < row.id ? [row] : []),
    welcome: async () => nothing,
    receipt: async () => nothing,
  }
  const down = (type: 'welcome' | 'receipt', members: object): Uint8Array =>
    signAndSeal(type, { id: server, key: receipt }, { id: gateway, box: boxPublic(box.publicKey) }, members)
      .envelope
  /** What the gateway said, as the server reads it. */
  const read = (payload: Uint8Array): { type: string; nonce: string } => {
    const { envelope } = unpack(payload)
    const expected = { iss: gateway, key: verifyKey(sign.publicKey), aud: server, box: serverBox }
    const said = openFrom(envelope, ['hello', 'ready'], expected)
    return { type: said.type, nonce: 'nonce' in said.body ? said.body.nonce : '' }
  }
  const welcome = (nonce: string, time = clock.wall): Uint8Array =>
    down('welcome', {
      nonce,
      serverNonce: '12'.repeat(16),
      epochs: [],
      status: 'ok',
      token: 1,
      time,
      minVersion: '0.1.0',
      versions,
    })
  return { gateway, server, receipt, box, custodian, row, read, down, welcome }
}

export const events: SessionEvents = {
  connected: () => {},
  told: () => {},
  welcomed: () => {},
  settled: () => {},
  commanded: async () => {},
  updated: () => {},
  refused: () => {},
  silent: () => {},
  closed: () => {},
}
