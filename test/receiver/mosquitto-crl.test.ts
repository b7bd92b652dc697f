import { spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { type Certified, crl, issueClient, makeAuthority, makeTlsKey } from '../../src/receiver/authority.ts'

// OpenSSL, which Mosquitto uses, is the judge of our lists.

const now = Date.parse('2026-11-22T12:34:56Z')
const folder = mkdtempSync(join(tmpdir(), 'vitalgate-crl-'))
const at = (name: string) => join(folder, name)
afterAll(() => rmSync(folder, { recursive: true }))
const openssl = (...line: string[]): string => {
  const { stdout, stderr } = spawnSync('openssl', line, { cwd: folder, encoding: 'utf8' })
  return `${stdout}${stderr}`
}

let authority: Certified
const serials: Record<string, string> = {}
beforeAll(async () => {
  const key = await makeTlsKey()
  authority = { key, certificate: await makeAuthority(key, 'Vitalgate CA test', now) }
  const otherKey = await makeTlsKey()
  writeFileSync(at('ca.pem'), authority.certificate)
  writeFileSync(at('other.pem'), await makeAuthority(otherKey, 'Vitalgate CA test', now))
  for (const name of ['good', 'bad', 'worse']) {
    const pem = await issueClient(authority, name, await makeTlsKey(), now)
    writeFileSync(at(`${name}.pem`), pem)
    serials[name] = new X509Certificate(pem).serialNumber
  }
})

/** Whether OpenSSL takes the certificate with this list, at a moment in seconds. */
const judged = (name: string, seconds = now / 1000): string =>
  openssl(
    ...['verify', '-crl_check', '-attime', String(seconds), '-CAfile', 'ca.pem', '-CRLfile', 'list.pem'],
    `${name}.pem`,
  )

test('revoked certificates are refused and others are not, today and in ten years', async () => {
  const revoked = [
    { serial: serials.bad!, at: now - 1000 },
    { serial: serials.worse!.toLowerCase(), at: now },
    { serial: serials.worse!, at: now }, // named twice, in another spelling
  ]
  const pem = await crl(authority, revoked, now)
  writeFileSync(at('list.pem'), pem)
  expect(pem).toMatch(/^-----BEGIN X509 CRL-----\n[\s\S]*\n-----END X509 CRL-----\n$/)
  expect(judged('good')).toBe('good.pem: OK\n')
  expect(judged('bad')).toContain('certificate revoked')
  expect(judged('worse')).toContain('certificate revoked')
  // the certificates live ten years; the list has no end of its own
  expect(judged('good', now / 1000 + 9 * 365 * 86_400)).toBe('good.pem: OK\n')
  // a broker whose clock is twenty hours behind (the certificates are valid from a day ago as well)
  expect(judged('good', now / 1000 - 20 * 3600)).toBe('good.pem: OK\n')
})

test('the list is signed by the CA, dated a day back, numbered by its moment, without an end', async () => {
  writeFileSync(at('list.pem'), await crl(authority, [{ serial: serials.bad!, at: now - 60_000 }], now))
  expect(openssl('crl', '-in', 'list.pem', '-noout', '-CAfile', 'ca.pem')).toBe('verify OK\n')
  expect(openssl('crl', '-in', 'list.pem', '-noout', '-CAfile', 'other.pem')).toContain('verify failure')
  const text = openssl('crl', '-in', 'list.pem', '-noout', '-text')
  expect(text).toContain('Last Update: Nov 21 12:34:56 2026 GMT')
  expect(text).toContain('Next Update: NONE')
  expect(text).toContain(`Serial Number: ${serials.bad}`)
  expect(text).toContain('Revocation Date: Nov 22 12:33:56 2026 GMT')
  expect(text).toMatch(/X509v3 Authority Key Identifier:\s+[0-9A-F:]{59}/)
  expect(text).toMatch(new RegExp(`X509v3 CRL Number:\\s+${now}\\s`))
})

test('an empty list refuses nobody', async () => {
  writeFileSync(at('list.pem'), await crl(authority, [], now))
  expect(judged('good')).toBe('good.pem: OK\n')
  expect(openssl('crl', '-in', 'list.pem', '-noout', '-text')).toContain('No Revoked Certificates')
})

test('a number is positive whatever its first bit', async () => {
  writeFileSync(at('list.pem'), await crl(authority, [], 0xff_ff_ff_ff_ff))
  expect(openssl('crl', '-in', 'list.pem', '-noout', '-text')).toMatch(/CRL Number:\s+1099511627775\s/)
})
