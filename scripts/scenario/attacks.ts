import { copyFileSync, existsSync, readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createServer, type TLSSocket } from 'node:tls'
import Database from 'better-sqlite3'
import { connectAsync, type IClientOptions } from 'mqtt'
import { unbase64url } from '../../src/base/bytes.ts'
import { loadIdentity } from '../../src/identity/identity.ts'
import { issueClient, issueServer, makeAuthority, makeTlsKey } from '../../src/receiver/authority.ts'
import { ownLock, paths, readSecrets } from '../../src/receiver/state.ts'
import { headZero, makeEpoch } from '../../src/wire/chain.ts'
import { type Parcel, pack } from '../../src/wire/envelope.ts'
import { boxPublic, makePair, signingKey } from '../../src/wire/keys.ts'
import { signAndSeal } from '../../src/wire/message.ts'
import { topics } from '../../src/wire/topics.ts'
import { idleBox, type Site, siteBox } from './site.ts'

/** What an attacker shows to the broker. */
interface Shown {
  name: string
  key: string
  certificate: string
}

const authorityFile = (site: Site): string => readFileSync(paths(site.receiver).authorityCertificate, 'utf8')

const client = (site: Site, { name, key, certificate }: Shown) => {
  const options: IClientOptions = {
    protocolVersion: 4,
    clientId: name,
    key,
    cert: certificate,
    ca: authorityFile(site),
    reconnectPeriod: 0,
    connectTimeout: 5_000,
  }
  return connectAsync(`mqtts://localhost:${site.brokerPort}`, options, false)
}

async function publishAs(site: Site, shown: Shown, topic: string, payload: Uint8Array): Promise<void> {
  const connection = await client(site, shown)
  await connection.publishAsync(topic, Buffer.from(payload), { qos: 1 })
  await connection.endAsync()
}

/** What a thief of the CA's folder can make: a certificate for any name, valid to the broker. */
async function stolenCertificate(site: Site, name: string): Promise<Shown> {
  const { key: authorityKey } = readSecrets(site.receiver, 'authority', ownLock(site.receiver))
  const authority = { key: authorityKey, certificate: authorityFile(site) }
  const key = await makeTlsKey()
  return { name, key, certificate: await issueClient(authority, name, key, Date.now()) }
}

/** (a) Knocks with a certificate that another CA made for the right name. Resolves when it was turned away. */
export async function knockWithForeignCertificate(site: Site): Promise<void> {
  const key = await makeTlsKey()
  const authority = { key, certificate: await makeAuthority(key, 'Another CA', Date.now()) }
  const own = await makeTlsKey()
  const certificate = await issueClient(authority, siteBox(site).gateway, own, Date.now())
  try {
    const connection = await client(site, { name: siteBox(site).gateway, key: own, certificate })
    await connection.endAsync()
  } catch {
    return // turned away, as it should be; whether it was reported is looked up at the receiver
  }
  throw new Error('the broker let a foreign certificate in')
}

/** (b) Speaks from an enrolled box, with its own certificate, but signs with a key of his own. */
export async function signWithUnknownKey(site: Site): Promise<void> {
  const identity = loadIdentity(idleBox(site).state)
  if (identity.phase !== 'provisioned') throw new Error('the idle box is not provisioned')
  const { route, keys, gateway } = identity
  const key = signingKey(makePair('ed25519').secret)
  const epoch = makeEpoch()
  const server = { id: route.server, box: boxPublic(unbase64url(route.entry.keys.box)) }
  const members = {
    epoch,
    seq: 1,
    prev: headZero(epoch, { gateway, server: route.server, kid: key.kid }),
    time: { wall: Date.now(), source: 'ntp', uncertainty: 1000, boot: '0'.repeat(32), mono: 1 },
    station: 'bench',
    device: 'scale',
    driver: { id: 'and-line', revision: 1, hash: '0'.repeat(64) },
    link: { kind: 'serial', check: 'none' },
    raw: '00',
    values: { 'body-weight': { n: 9990, s: 2, u: 'kg' } },
    notes: [],
  }
  const { envelope } = signAndSeal('reading', { id: gateway, key }, server, members)
  const shown = { name: gateway, key: keys.tlsKey, certificate: route.certificate }
  await publishAs(site, shown, topics(route.server, gateway).up, pack({ epoch, seq: 1, envelope }))
}

/** A genuine reading out of a copy of the busy box's outbox. */
export function copyFromOutbox(site: Site): Parcel {
  const copy = join(site.folder, 'stolen-outbox.db')
  for (const ending of ['', '-wal', '-shm']) {
    const from = join(siteBox(site).state, `outbox.db${ending}`)
    if (existsSync(from)) copyFileSync(from, `${copy}${ending}`)
  }
  const db = new Database(copy)
  try {
    const row = db
      .prepare<[], Parcel>(
        'SELECT epoch.epoch, row.seq, row.envelope FROM row JOIN epoch ON epoch.id = row.epoch ORDER BY row.id DESC LIMIT 1',
      )
      .get()
    if (row === undefined) throw new Error('the outbox is empty')
    return { ...row, envelope: Uint8Array.from(row.envelope) }
  } finally {
    db.close()
  }
}

/** (c) and (d): puts the copied envelope on a gateway's topic, with a certificate that the stolen CA made. */
export async function replayOn(site: Site, gateway: string, parcel: Parcel): Promise<void> {
  const { server } = JSON.parse(readFileSync(paths(site.receiver).facts, 'utf8')) as { server: string }
  await publishAs(site, await stolenCertificate(site, gateway), topics(server, gateway).up, pack(parcel))
}

/** (e) A server that listens in the true one's place; the certificate is valid for the name, the key is not. */
export async function startRogue(
  site: Site,
): Promise<{ port: number; heard(): number; close(): Promise<void> }> {
  const { key: authorityKey } = readSecrets(site.receiver, 'authority', ownLock(site.receiver))
  const key = await makeTlsKey()
  const authority = { key: authorityKey, certificate: authorityFile(site) }
  const cert = await issueServer(authority, key, ['localhost'], Date.now())
  let heard = 0
  const open = new Set<TLSSocket>()
  const server = createServer({ key, cert, ca: authority.certificate, requestCert: true }, socket => {
    open.add(socket)
    socket.on('data', bytes => {
      heard += bytes.length
    })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => open.delete(socket))
  })
  server.on('tlsClientError', () => {
    // the gateway hangs up in the handshake: just what is wanted
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    heard: () => heard,
    close: () =>
      new Promise(done => {
        server.close(() => done())
        for (const socket of open) socket.destroy()
      }),
  }
}
