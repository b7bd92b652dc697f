import { randomBytes } from 'node:crypto'
import { base32, base64url } from '../base/bytes.ts'
import { isThere, readTextFile, writeFileAtomic, writeSecretFile } from '../base/files.ts'
import { type Lock, makeSecret } from '../base/keyfile.ts'
import { makePair } from '../wire/keys.ts'
import { issueClient, issueServer, makeAuthority, makeTlsKey } from './authority.ts'
import { hasOwnLock, ownLock, paths, readSecrets, writeSecrets } from './state.ts'

/** What a person decides at `init`. */
export interface Plan {
  hosts: string[]
  port: number
  /** `embedded`, or the `mqtts://host:port` of a broker that somebody else runs. */
  broker: string
  /** Addresses told to gateways where a router forwards other ones; none means host and port as they are. */
  announced: string[]
  operator: string
  /** The folder with the sealed roots of another server, whose registry root this one shares. */
  rootFrom?: string
  now: number
}

const makeSeed = (): string => base64url(makePair('ed25519').secret)

/** Makes every key that is not there yet. A key that is there is never written again. */
export async function makeKeys(state: string, rootLock: Lock): Promise<void> {
  const at = paths(state)
  if (!hasOwnLock(state)) makeSecret(at.secret)
  const own = ownLock(state)
  for (const root of ['root', 'successor'] as const) {
    if (!isThere(at[root])) writeSecrets(state, root, { seed: makeSeed() }, rootLock)
  }
  if (!isThere(at.operator)) writeSecrets(state, 'operator', { seed: makeSeed() }, own)
  if (!isThere(at.authority)) writeSecrets(state, 'authority', { key: await makeTlsKey() }, own)
  if (isThere(at.server)) return
  const server = {
    server: base32(randomBytes(16)),
    box: base64url(makePair('x25519').secret),
    receipt: makeSeed(),
    command: makeSeed(),
    brokerKey: await makeTlsKey(),
    clientKey: await makeTlsKey(),
  }
  writeSecrets(state, 'server', server, own)
}

/**
 * Makes the certificates from the keys. Only while nothing has been signed that names them: until then
 * they may be made again, for other hosts.
 */
export async function makeCertificates(state: string, plan: Plan, client: string): Promise<void> {
  const at = paths(state)
  const held = readSecrets(state, 'server', ownLock(state))
  const { key } = readSecrets(state, 'authority', ownLock(state))
  const name = `Vitalgate CA ${held.server.slice(0, 8)}`
  writeFileAtomic(at.authorityCertificate, await makeAuthority(key, name, plan.now))
  const authority = { key, certificate: readTextFile(at.authorityCertificate) }
  const broker = await issueServer(authority, held.brokerKey, plan.hosts, plan.now)
  writeFileAtomic(at.brokerCertificate, broker)
  writeFileAtomic(at.clientCertificate, await issueClient(authority, client, held.clientKey, plan.now))
  // Mosquitto and the others read their key from a file; the embedded broker needs none
  if (plan.broker !== 'embedded') writeSecretFile(at.brokerKey, held.brokerKey)
}
