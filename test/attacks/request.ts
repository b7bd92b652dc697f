import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { base32, base64url } from '../../src/base/bytes.ts'
import { makeCsr } from '../../src/identity/csr.ts'
import { keyId, makePair, type SigningKey, signingKey } from '../../src/wire/keys.ts'
import { publish, signStatement } from '../../src/wire/statement.ts'
import { requestWords } from '../../src/wire/words.ts'
import { faultOf } from './build.ts'
import type { Scene } from './scene.ts'

/** The parts of a request that an attacker may word as he likes. */
export interface Asked {
  sign?: Uint8Array
  /** Who signs it; who holds a key of his own, if left out. */
  signer?: SigningKey
  box?: Uint8Array
  csr?: (pem: string) => string
  /** The words that the technician reads from the true box; those of the request if left out. */
  words?: string
}

/** Who asked, and the fault that it led to, or `enrolled`. */
export interface Enrolled {
  gateway: string
  key: SigningKey
  outcome: string
}

/** A request of the attacker's is brought to the operator, who enrols it by its words. */
export async function enrol(scene: Scene, asked: Asked = {}, build = scene.plain): Promise<Enrolled> {
  const { site } = scene
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
    asked.signer ?? key,
  )
  const file = join(site.folder, 'forged.request.json')
  writeFileSync(file, JSON.stringify(publish(statement)))
  const words = asked.words ?? requestWords(statement, gateway).join(' ')
  const ended = await build.type(
    'vitalgate-receiver',
    ...['--state', site.receiver, '--json', 'registry', 'enrol', file, '--site', 'test', '--words', words],
    ...['--out', join(site.folder, 'forged'), '--passphrase-file', join(site.folder, 'passphrase')],
  )
  return { gateway, key, outcome: faultOf(ended) ?? 'enrolled' }
}
