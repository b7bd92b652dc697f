import { randomBytes } from 'node:crypto'
import { base32 } from '../../src/base/bytes.ts'
import { issueClient, issueServer, makeAuthority, makeTlsKey } from '../../src/receiver/authority.ts'
import type { TlsEnd } from '../../src/receiver/state.ts'

export const idOf = (): string => base32(randomBytes(16))

/** A CA for tests, and what it certifies. */
export interface Authority {
  key: string
  ca: string
  certified(name: string, at?: number): Promise<{ key: string; cert: string }>
  serverEnd(): Promise<TlsEnd>
}

export async function authority(name: string): Promise<Authority> {
  const now = Date.now()
  const key = await makeTlsKey()
  const certificate = await makeAuthority(key, name, now)
  return {
    key,
    ca: certificate,
    certified: async (subject, at = now) => {
      const own = await makeTlsKey()
      return { key: own, cert: await issueClient({ key, certificate }, subject, own, at) }
    },
    serverEnd: async () => {
      const own = await makeTlsKey()
      const hosts = ['localhost', '127.0.0.1']
      return {
        key: own,
        certificate: await issueServer({ key, certificate }, own, hosts, now),
        authority: certificate,
      }
    },
  }
}
