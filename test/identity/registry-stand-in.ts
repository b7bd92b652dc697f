import { execFileSync } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { base64url } from '../../src/base/bytes.ts'
import { makePair, type SigningKey, signingKey } from '../../src/wire/keys.ts'
import { type Bundle, type Request, signRegistry } from '../../src/wire/registry.ts'
import { publish } from '../../src/wire/statement.ts'

/** A registry with its root and a CA made by the openssl program, so that certificates are not our own idea. */
export interface StandIn {
  root: SigningKey
  folder: string
  ca: string
}

const openssl = (folder: string, ...words: string[]): string =>
  execFileSync('openssl', words, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] }).toString()

export function makeRegistry(): StandIn {
  const folder = mkdtempSync(join(tmpdir(), 'vitalgate-registry-'))
  openssl(
    folder,
    ...'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 30'.split(
      ' ',
    ),
    '-subj',
    '/CN=test ca',
    '-addext',
    'keyUsage=critical,keyCertSign',
    // without key identifiers two CAs of one name differ in nothing but what they sign
    '-addext',
    'subjectKeyIdentifier=none',
  )
  const root = signingKey(makePair('ed25519').secret)
  return { root, folder, ca: readFileSync(join(folder, 'ca.pem'), 'utf8') }
}

/** A certificate for the CSR, as an operator's CA would make it. */
export function certify({ folder }: StandIn, csr: string, days = 3650, use = 'clientAuth'): string {
  writeFileSync(join(folder, 'box.csr'), csr)
  writeFileSync(
    join(folder, 'ext'),
    `extendedKeyUsage=${use}\nbasicConstraints=critical,CA:FALSE\nauthorityKeyIdentifier=none\n`,
  )
  openssl(
    folder,
    ...`x509 -req -in box.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out box.pem -days ${days} -extfile ext`.split(
      ' ',
    ),
  )
  return readFileSync(join(folder, 'box.pem'), 'utf8')
}

export const publicText = (use: 'ed25519' | 'x25519'): string => base64url(makePair(use).publicKey)

export interface Wishes {
  server?: string
  bindingVersion?: number
  entryVersion?: number
  entryServer?: string
  keys?: Partial<{ sign: string; box: string; tls: string }>
  gateway?: string
  certificate?: string
  ca?: string
  signer?: SigningKey
  successor?: string | null
}

export const serverId = `${'c'.repeat(25)}a`
const since = 1_700_000_000_000

/** A bundle for a request; `wishes` bend it. */
export function makeBundle(standIn: StandIn, request: Request, wishes: Wishes = {}): Bundle {
  const certificate = wishes.certificate ?? certify(standIn, request.csr)
  const spki = new X509Certificate(certificate).publicKey.export({ format: 'der', type: 'spki' })
  const signer = wishes.signer ?? standIn.root
  const server = wishes.server ?? serverId
  const binding = signRegistry(
    'binding',
    {
      gateway: wishes.gateway ?? request.gateway,
      server,
      version: wishes.bindingVersion ?? 1,
      site: 'site-1',
      keys: { ...request.keys, tls: createHash('sha256').update(spki).digest('hex'), ...wishes.keys },
      since,
    },
    signer,
  )
  const entry = signRegistry(
    'server-entry',
    {
      server: wishes.entryServer ?? server,
      version: wishes.entryVersion ?? 1,
      keys: { box: publicText('x25519'), receipt: publicText('ed25519'), command: publicText('ed25519') },
      brokers: ['mqtts://broker.example:8883'],
      ca: [wishes.ca ?? standIn.ca],
      pins: ['ab'.repeat(32)],
      from: since,
      until: since + 1000,
    },
    signer,
  )
  return {
    bundle: 1,
    gateway: wishes.gateway ?? request.gateway,
    root: base64url(standIn.root.publicKey),
    successor: wishes.successor ?? null,
    operators: [],
    binding: publish(binding),
    serverEntry: publish(entry),
    certificate,
  }
}
