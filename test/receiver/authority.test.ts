import { execFileSync } from 'node:child_process'
import { createHash, createPublicKey, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import {
  certificatePin,
  checkSigningRequest,
  issueClient,
  issueGateway,
  issueServer,
  makeAuthority,
  makeTlsKey,
} from '../../src/receiver/authority.ts'
import { signingRequest } from './box.ts'

const gateway = 'aaaabbbbccccddddeeeeffffga'
const now = Date.now()
const folder = mkdtempSync(join(tmpdir(), 'vitalgate-authority-'))
const at = (name: string) => join(folder, name)
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const openssl = (...line: string[]): string => {
  try {
    return execFileSync('openssl', line, { cwd: folder, encoding: 'utf8', stdio: 'pipe' })
  } catch (error) {
    return (error as { stderr?: string }).stderr ?? ''
  }
}

const made: Record<string, string> = {}
beforeAll(async () => {
  const key = await makeTlsKey()
  made.ca = await makeAuthority(key, 'Vitalgate CA test', now)
  const authority = { key, certificate: made.ca }
  made.serverKey = await makeTlsKey()
  made.server = await issueServer(
    authority,
    made.serverKey,
    ['broker.example.org', '192.0.2.7', '2001:db8::7'],
    now,
  )
  made.client = await issueClient(authority, 'receiver-aaaabbbb', await makeTlsKey(), now)
  const request = await checkSigningRequest(await signingRequest(gateway), gateway)
  made.gateway = await issueGateway(authority, gateway, request, now)
  made.gatewayPin = request.pin
  const foreignKey = await makeTlsKey()
  made.foreign = await makeAuthority(foreignKey, 'Vitalgate CA test', now)
  for (const name of ['ca', 'server', 'client', 'gateway', 'foreign'])
    writeFileSync(at(`${name}.pem`), made[name]!)
})

test('OpenSSL accepts each certificate strictly, for its own purpose only', () => {
  const verify = (purpose: string, name: string, ca = 'ca') =>
    openssl('verify', '-x509_strict', '-purpose', purpose, '-CAfile', `${ca}.pem`, `${name}.pem`)
  expect(verify('sslserver', 'server')).toBe('server.pem: OK\n')
  expect(verify('sslclient', 'client')).toBe('client.pem: OK\n')
  expect(verify('sslclient', 'gateway')).toBe('gateway.pem: OK\n')
  expect(verify('sslclient', 'server')).toMatch(/(unsuitable|unsupported) certificate purpose/)
  expect(verify('sslserver', 'gateway')).toMatch(/(unsuitable|unsupported) certificate purpose/)
  expect(verify('sslclient', 'gateway', 'foreign')).toMatch(/verification failed/)
})

test('certificates carry the names, uses and lifetimes that were agreed', () => {
  const text = (name: string) => openssl('x509', '-in', `${name}.pem`, '-noout', '-text')
  expect(text('ca')).toMatch(/Basic Constraints: critical\s+CA:TRUE, pathlen:0/)
  expect(text('ca')).toMatch(/Key Usage: critical\s+Certificate Sign, CRL Sign/)
  for (const name of ['server', 'client', 'gateway']) {
    expect(text(name)).toMatch(/Basic Constraints: critical\s+CA:FALSE/)
    expect(text(name)).toMatch(/Key Usage: critical\s+Digital Signature/)
    expect(text(name)).toMatch(/Subject Key Identifier:\s+[0-9A-F:]{59}/)
    expect(text(name)).toMatch(/Authority Key Identifier:\s+(keyid:)?[0-9A-F:]{59}/)
  }
  expect(text('server')).toContain(
    'DNS:broker.example.org, IP Address:192.0.2.7, IP Address:2001:DB8:0:0:0:0:0:7',
  )
  expect(new X509Certificate(made.gateway!).subject).toBe(`CN=${gateway}`)
  expect(new X509Certificate(made.client!).subject).toBe('CN=receiver-aaaabbbb')
  const years = (pem: string) => (Date.parse(new X509Certificate(pem).validTo) - now) / (365.25 * 86_400_000)
  expect(years(made.ca!)).toBeCloseTo(20, 2)
  expect(years(made.gateway!)).toBeCloseTo(10, 2)
  expect(years(made.server!)).toBeCloseTo(10, 2)
})

test('a pin is SHA-256 of the SubjectPublicKeyInfo, of the certificate and of the request alike', () => {
  const spki = createPublicKey(made.serverKey!).export({ format: 'der', type: 'spki' })
  expect(certificatePin(made.server!)).toBe(createHash('sha256').update(spki).digest('hex'))
  expect(certificatePin(made.gateway!)).toBe(made.gatewayPin)
})

test('a request of another name, another curve, a spoilt signature or none at all is not signed', async () => {
  const check = (pem: string) => checkSigningRequest(pem, gateway)
  const message = (part: string) => ({ code: 'input.invalid', message: expect.stringContaining(part) })
  await expect(check(await signingRequest('somebody-else'))).rejects.toMatchObject(
    message('names CN=somebody-else'),
  )
  await expect(check(await signingRequest(gateway, 'P-384'))).rejects.toMatchObject(message('P-256'))
  await expect(check('no pem at all')).rejects.toMatchObject(message('not readable'))
  const der = Buffer.from((await signingRequest(gateway)).replace(/-----[^-]+-----|\s/g, ''), 'base64')
  der[der.length - 1]! ^= 1
  const spoilt = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----`
  await expect(check(spoilt)).rejects.toMatchObject(message('not signed with the key in it'))
})
