import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { digest, digits, type Holder, holder, partiesOf, publicOf, text64 } from './forge.ts'
import { vectorFolder } from './vector.ts'

/** Who appears in tests and vectors. */
export const gateway = holder('gateway')
export const server = holder('server')
export const command = holder('command')
export const root = holder('root')
export const operator = holder('operator')
export const stranger = holder('stranger')

/** The epoch of all samples. */
export const epoch = '00112233aabbccdd'
/** The boot of all samples; it also serves as a nonce. */
export const boot = '0123456789abcdef0123456789abcdef'
/** A hash that follows from a label, hex. */
export const hash = (label: string): string => digits(digest(label))

/** When all samples happened. */
export const time = { wall: 1_783_760_700_000, source: 'rtc', uncertainty: 2000, boot, mono: 4_200_000 }
/** Parties of what the gateway says. */
export const up = partiesOf(gateway, server)
/** Parties of what the server says. */
export const down = partiesOf(server, gateway)
const chained = { ...up, epoch, seq: 2, prev: hash('prev'), time }
const versions = { binding: 1, serverEntry: 2, devices: 3, revocations: 0 }

/** A reading with the members that must be there. */
export const reading = {
  ...chained,
  station: 'room-12',
  device: 'scale.1',
  driver: { id: 'and-line', revision: 1, hash: hash('driver') },
  link: { kind: 'serial', check: 'parity' },
  raw: '53542c47532c2b3030373234302c6b670d0a',
  values: { 'body-weight': { n: 7240, s: 2, u: 'kg' } },
  notes: ['unattributed'],
}

/** A reading with every member that may be there. */
export const fullReading = {
  ...reading,
  device: 'cuff-1',
  link: { kind: 'ble', check: 'link-crc', bonded: true, encrypted: true, char: '2a35' },
  values: {
    systolic: { n: 120, s: 0, u: 'mm[Hg]' },
    diastolic: { n: 80, s: 0, u: 'mm[Hg]' },
    'pulse-rate': { n: 64, s: 0, u: '/min' },
  },
  deviceTime: '2026-07-11T09:05',
  deviceClock: 'checked',
  deviceId: 'ID 0 1',
  attribution: { band: 'BAND 0001', scannedMono: 4_199_000 },
  notes: ['stored', 'time-unsynced'],
}

/** The details of every event (WIRE 6.4). */
export const events: Record<string, object> = {
  'provision-test': { nonce: boot },
  'device-proposed': {
    device: 'cuff-1',
    driver: 'omron-hbp9030',
    station: 'room-12',
    link: 'serial',
    options: hash('options'),
  },
  'device-removed': { device: 'cuff-1' },
  'frame-kept': {
    device: 'cuff-1',
    driver: 'ble-blood-pressure',
    char: '2a35',
    raw: '16',
    fault: 'frame.malformed',
  },
  'capture-part': { intent: boot, part: 1, parts: 2, raw: '7b0a' },
  'reading-claimed': { epoch, seq: 2, band: 'BAND 0001', scannedMono: 4_300_000 },
  lost: { epoch, from: 3, to: 5, before: hash('before'), after: hash('after'), why: 'missing' },
  'server-unpinned': { fingerprint: hash('certificate'), since: 1_783_760_700_000, count: 1 },
  'intake-near-full': { used: 90, quota: 100 },
  'intake-refused': { used: 100, quota: 100 },
  'clock-anchored': { boot, mono: 1000, wall: 1_783_760_700_000 },
  'command-refused': { why: 'wire.bad-signature', intent: boot, count: 3 },
  abandoned: {
    ...{ intent: boot, what: 'key', id: '0123456789abcdef' },
    ...{ rows: 12, first: 1_783_760_700_000, last: 1_783_760_800_000 },
  },
}

/** The body of an event of this name. */
export const eventBody = (event: string): object => ({ ...chained, event, detail: events[event] })

/** One valid body of every sealed type. */
export const sealed: Record<string, object> = {
  'epoch-open': {
    ...chained,
    before: { epoch: '0000000000000001', seq: 41, head: hash('before') },
    why: 'start',
    software: '0.1.0',
  },
  reading,
  event: eventBody('provision-test'),
  result: { ...chained, intent: boot, outcome: 'done', detail: { rows: 3, ok: true, why: '' } },
  hello: {
    ...up,
    nonce: boot,
    boot,
    epochs: [{ epoch, seq: 2, head: hash('head') }],
    token: 0,
    software: '0.1.0',
    drivers: hash('drivers'),
    clock: time,
    versions,
  },
  welcome: {
    ...down,
    nonce: boot,
    serverNonce: boot,
    epochs: [{ epoch, seq: 2, head: hash('head'), holes: [[1, 1]] }],
    status: 'ok',
    token: 1,
    time: 1_783_760_700_100,
    minVersion: '0.1.0',
    versions,
  },
  ready: { ...up, serverNonce: boot, token: 1, seen: hash('seen') },
  receipt: { ...down, epoch, seq: 2, head: hash('head'), holes: [], time: 1_783_760_700_200 },
}

/** A PEM text that lies beside the vectors. */
export const pem = (file: string): string => readFileSync(new URL(file, vectorFolder), 'utf8')

/** H(SubjectPublicKeyInfo) of the gateway's TLS key (WIRE 9.1). */
export const tlsHash = digits(
  digest(new X509Certificate(pem('gateway.pem')).publicKey.export({ format: 'der', type: 'spki' })),
)

const sign64 = (one: Holder): string => text64(one.sign.publicKey)
const box64 = (one: Holder): string => text64(one.box.publicKey)

/** One valid body of every registry type. */
export const registry: Record<string, object> = {
  binding: {
    kid: root.kid,
    gateway: gateway.id,
    server: server.id,
    version: 1,
    site: 'elm-house',
    keys: { sign: sign64(gateway), box: box64(gateway), tls: tlsHash },
    since: 1_783_000_000_000,
  },
  'server-entry': {
    kid: root.kid,
    server: server.id,
    version: 2,
    keys: { box: box64(server), receipt: sign64(server), command: sign64(command) },
    brokers: ['mqtts://broker.example:8883', 'mqtts://[2001:db8::1]:8883'],
    ca: [pem('ca.pem')],
    pins: [hash('pin')],
    from: 1_783_000_000_000,
    until: 1_815_000_000_000,
  },
  operator: { kid: root.kid, operator: 'anne', key: sign64(operator), since: 1_783_000_000_000 },
  'device-list': {
    kid: operator.kid,
    gateway: gateway.id,
    version: 1,
    before: null,
    devices: [{ device: 'cuff-1', driver: 'omron-hbp9030', station: 'room-12', proposal: hash('proposal') }],
  },
  revocation: {
    kid: operator.kid,
    server: server.id,
    number: 1,
    before: null,
    what: 'gateway',
    id: gateway.id,
    key: gateway.kid,
    tls: tlsHash,
    since: 1_783_000_000_000,
    why: 'stolen',
  },
  order: {
    kid: operator.kid,
    operator: 'anne',
    gateway: gateway.id,
    intent: boot,
    verb: 'restart',
    args: {},
    made: 1_783_760_700_000,
    until: 1_783_761_000_000,
  },
  review: {
    kid: operator.kid,
    operator: 'anne',
    server: server.id,
    flag: 7,
    version: 1,
    raised: hash('flag'),
    act: 'released',
    by: 'A. Jones',
    words: 'the card was put back from a backup',
    token: 12,
    at: 1_783_760_700_000,
  },
}

/** The gateway with the keys that it wants to go on under (WIRE 9.9). */
export const next: Holder = { ...holder('gateway next'), id: gateway.id }

events['keys-proposed'] = {
  request: publicOf(
    'request',
    JSON.stringify({
      gateway: gateway.id,
      kid: next.kid,
      keys: { sign: sign64(next), box: box64(next) },
      csr: pem('gateway.csr.pem'),
      hardware: 'test bench',
      software: '0.1.0',
      made: 1_783_760_700_000,
    }),
    next,
  ),
}

Object.assign(sealed, {
  update: {
    ...down,
    nonce: boot,
    statements: [publicOf('binding', JSON.stringify(registry.binding), root)],
  },
  command: {
    ...down,
    kid: command.kid,
    nonce: boot,
    intent: boot,
    verb: 'restart',
    args: { delay: 5, now: true, why: 'update' },
    order: publicOf('order', JSON.stringify(registry.order), operator),
  },
})
