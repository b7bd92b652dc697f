import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import { until } from '../../scripts/scenario/program.ts'
import { readTextFile } from '../../src/base/files.ts'
import { issueClient, makeAuthority, makeTlsKey } from '../../src/receiver/authority.ts'
import { ownLock, paths, readSecrets } from '../../src/receiver/state.ts'
import { patienceMs } from '../way/site.ts'
import type { Scene } from './scene.ts'

/** What somebody shows to the broker. */
export interface Shown {
  key: string
  cert: string
}

/** A certificate with this name, made by the site's own CA: what the thief of its folder has. */
export async function issued(scene: Scene, name: string): Promise<Shown> {
  const { receiver } = scene.site
  const { key: authorityKey } = readSecrets(receiver, 'authority', ownLock(receiver))
  const certificate = readTextFile(paths(receiver).authorityCertificate)
  const key = await makeTlsKey()
  return { key, cert: await issueClient({ key: authorityKey, certificate }, name, key, Date.now()) }
}

/** A certificate with this name from a CA of the attacker's own. */
export async function foreign(name: string): Promise<Shown> {
  const authorityKey = await makeTlsKey()
  const certificate = await makeAuthority(authorityKey, 'Another CA', Date.now())
  const key = await makeTlsKey()
  return { key, cert: await issueClient({ key: authorityKey, certificate }, name, key, Date.now()) }
}

/** Connects to the broker under a client id; rejects where it is turned away. */
export const enter = (
  scene: Scene,
  clientId: string,
  shown: Shown,
  options: IClientOptions = {},
): Promise<MqttClient> =>
  connectAsync(
    `mqtts://localhost:${scene.site.brokerPort}`,
    {
      ...{ protocolVersion: 4, clientId, ...shown, reconnectPeriod: 0, connectTimeout: 5000 },
      ca: readTextFile(paths(scene.site.receiver).authorityCertificate),
      ...options,
    },
    false,
  )

/** Does something with a connection; false if the broker ended the connection over it. */
export async function allowed(client: MqttClient, act: () => Promise<unknown>): Promise<boolean> {
  const closed = new Promise<false>(resolve => client.once('close', () => resolve(false)))
  // a refused act is answered by the end of the connection, or not at all
  const done = act().then(
    () => true,
    () => false,
  )
  const result = await Promise.race([done, closed])
  await client.endAsync(true)
  return result
}

const tries = 5
const reportMs = 5000

/**
 * Tries something that the broker should refuse; gives the refusal as the receiver tells it, or `done`. Who is
 * turned away without a refusal was pushed out by the true gateway of his name, and tries again.
 */
export async function refusalOf(
  scene: Scene,
  done: string,
  attempt: () => Promise<boolean>,
): Promise<string> {
  const mark = scene.mark()
  for (let count = 0; count < tries; count++) {
    if (await attempt()) return done
    try {
      await until('a refusal told', reportMs, () => scene.mark() > mark)
      return await refusalSince(scene, mark)
    } catch (error) {
      if (count === tries - 1) throw error
    }
  }
  throw new Error('neither refused nor done')
}

/** What the receiver told of a refusal since the mark: flag and reason. */
export async function refusalSince(scene: Scene, mark: number): Promise<string> {
  await until('a refusal told', patienceMs, () => scene.mark() > mark)
  const told = await scene.flagsSince(mark)
  return [...new Set(told.map(({ flag, detail }) => `${flag} ${detail.split(/[ ,]/)[0]}`))].join(', ')
}
