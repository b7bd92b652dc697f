import 'reflect-metadata'
import { randomBytes, webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { base32, base64url } from '../../src/base/bytes.ts'
import { boxKey, makePair, signingKey } from '../../src/wire/keys.ts'
import { type Request, signRegistry } from '../../src/wire/registry.ts'
import { publish } from '../../src/wire/statement.ts'
import { requestWords } from '../../src/wire/words.ts'

x509.cryptoProvider.set(webcrypto as never)

/** A certificate signing request as a box makes it; `curve` and `name` to make a wrong one. */
export async function signingRequest(name: string, curve = 'P-256'): Promise<string> {
  const algorithm = { name: 'ECDSA', namedCurve: curve, hash: 'SHA-256' }
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: `CN=${name}`,
    keys: keys as never,
    signingAlgorithm: algorithm,
  })
  return request.toString('pem')
}

/** A box with keys of its own, its request file and the six words on its screen. */
export async function makeBox(change: Partial<Request> = {}) {
  const gateway = change.gateway ?? base32(randomBytes(16))
  const sign = signingKey(makePair('ed25519').secret)
  const box = boxKey(makePair('x25519').secret)
  const statement = signRegistry(
    'request',
    {
      gateway,
      keys: { sign: base64url(sign.publicKey), box: base64url(box.publicKey) },
      csr: change.csr ?? (await signingRequest(gateway)),
      hardware: 'test bench',
      software: '0.1.0',
      made: 1_780_000_000_000,
      ...change,
    },
    sign,
  )
  const text = JSON.stringify(publish(statement))
  return { gateway, sign, box, statement, text, words: requestWords(statement, gateway).join(' ') }
}

/** What `init` is asked to make for a test: an embedded broker on this machine. */
export const planAt = (now: number) => ({
  hosts: ['localhost'],
  port: 8883,
  broker: 'embedded',
  announced: [],
  operator: 'operator',
  now,
})
