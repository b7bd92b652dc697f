import { readFileSync } from 'node:fs'
import mqtt, { type MqttClient } from 'mqtt'
import { base64url } from '../../src/base/bytes.ts'
import { makeLog } from '../../src/base/log.ts'
import { issueClient, makeTlsKey } from '../../src/receiver/authority.ts'
import { initialise } from '../../src/receiver/init.ts'
import { insertStatement } from '../../src/receiver/registry-rows.ts'
import { ownLock, paths, readSecrets, readServerKeys, readSigner } from '../../src/receiver/state.ts'
import { openStore } from '../../src/receiver/store.ts'
import { verifyKey } from '../../src/wire/keys.ts'
import { openFrom } from '../../src/wire/message.ts'
import { signRegistry } from '../../src/wire/registry.ts'
import { topics } from '../../src/wire/topics.ts'
import { gateway } from './fixture.ts'

export const silent = makeLog('silent')
export const passphrase = 'for tests only, known to everybody'

/** A receiver's state folder with one enrolled gateway; gives the gateway's TLS key and certificate. */
export async function enrolled(folder: string) {
  const now = Date.now()
  const plan = { hosts: ['localhost'], port: 0, announced: [], broker: 'embedded', operator: 'tester', now }
  await initialise(folder, plan, async () => passphrase)
  const { key } = readSecrets(folder, 'authority', ownLock(folder))
  const authority = { key, certificate: readFileSync(paths(folder).authorityCertificate, 'utf8') }
  const tlsKey = await makeTlsKey()
  const server = readServerKeys(folder)
  const keys = {
    sign: base64url(gateway.key.publicKey),
    box: base64url(gateway.box.publicKey),
    tls: '0'.repeat(64),
  }
  const binding = { gateway: gateway.id, server: server.id, version: 1, site: 'site', keys, since: now }
  const statement = signRegistry('binding', binding, readSigner(folder, 'root', { passphrase }))
  const store = openStore(paths(folder).database)
  insertStatement(store.db, { subject: gateway.id, version: 1, statement, at: now, actor: 'test' })
  store.close()
  return {
    server,
    tls: {
      key: tlsKey,
      cert: await issueClient(authority, gateway.id, tlsKey, now),
      ca: authority.certificate,
    },
  }
}

/** Connects as the gateway; `next` waits for what comes down. */
export async function connected(port: number, { server, tls }: Awaited<ReturnType<typeof enrolled>>) {
  const client: MqttClient = await mqtt.connectAsync(`mqtts://localhost:${port}`, {
    ...tls,
    clientId: gateway.id,
    protocolVersion: 4,
    reconnectPeriod: 0,
  })
  const waiting: ((payload: Buffer) => void)[] = []
  client.on('message', (_topic, payload) => waiting.shift()?.(payload))
  await client.subscribeAsync(topics(server.id, gateway.id).down, { qos: 1 })
  const expectedFrom = {
    iss: server.id,
    key: verifyKey(server.receipt.publicKey),
    aud: gateway.id,
    box: gateway.box,
  }
  return {
    client,
    next: async () => {
      const payload = await new Promise<Buffer>(resolve => waiting.push(resolve))
      return openFrom(payload, ['receipt'], expectedFrom).body
    },
    send: (payload: Uint8Array) =>
      client.publishAsync(topics(server.id, gateway.id).up, Buffer.from(payload), { qos: 1 }),
  }
}
