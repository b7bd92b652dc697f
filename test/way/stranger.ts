import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import { readTextFile } from '../../src/base/files.ts'
import { issueClient, makeTlsKey } from '../../src/receiver/authority.ts'
import { ownLock, paths, readSecrets } from '../../src/receiver/state.ts'
import type { WaySite } from './site.ts'

/** What came over the broker, as somebody heard it. */
export interface Heard {
  topic: string
  payload: Uint8Array
}

/** Connects under any name: with a certificate that the site's own CA makes for it, as its thief could. */
export async function connectAs(site: WaySite, name: string): Promise<MqttClient> {
  const { key: authorityKey } = readSecrets(site.receiver, 'authority', ownLock(site.receiver))
  const certificate = readTextFile(paths(site.receiver).authorityCertificate)
  const key = await makeTlsKey()
  const options: IClientOptions = {
    protocolVersion: 4,
    clientId: name,
    key,
    cert: await issueClient({ key: authorityKey, certificate }, name, key, Date.now()),
    ca: certificate,
    reconnectPeriod: 0,
  }
  return connectAsync(`mqtts://localhost:${site.brokerPort}`, options, false)
}

/** Hears everything on the broker from now on, into `heard`; the broker's rules must know the name. */
export async function spy(site: WaySite, name: string, heard: Heard[]): Promise<MqttClient> {
  const client = await connectAs(site, name)
  client.on('message', (topic, payload) => heard.push({ topic, payload: Uint8Array.from(payload) }))
  await client.subscribeAsync('#', { qos: 1 })
  return client
}
