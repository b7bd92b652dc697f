import { spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { Fault } from '../../src/base/fault.ts'
import { certificatePin } from '../../src/receiver/authority.ts'
import { makeBundle } from '../../src/receiver/enrol.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import { verifyRegistryStore } from '../../src/receiver/registry-verify.ts'
import { makeCertificates, renew } from '../../src/receiver/renew.ts'
import { bundleForm } from '../../src/wire/registry.ts'
import { silent } from './listen-fixture.ts'
import { now } from './revoke-fixture.ts'
import { rotateBench } from './rotate-bench.ts'

const program = join(import.meta.dirname, '../../scripts/vitalgate-receiver')
const year = 365.25 * 86_400_000
const hour = 3_600_000
let it: Awaited<ReturnType<typeof rotateBench>>
beforeEach(async () => {
  it = await rotateBench()
})
afterEach(() => it.end())

const renewals = () =>
  it.store.all<{ number: number; certificate: string; tls_key: string; actor: string }>(
    'SELECT * FROM renewals',
  )
const enrolled = () =>
  it.store.get<{ certificate: string; tls_key: string }>('SELECT certificate, tls_key FROM enrolments')!
const untilOf = (certificate: string) => Date.parse(new X509Certificate(certificate).validTo)
const problems = async () => (await verifyRegistryStore(it.state, it.store, it.again())).problems
/** A hello, and then what the receiver does meanwhile. */
async function hello() {
  const updates = it.hello()
  await it.certificates.settled()
  return updates
}

test('before half of its time a certificate is left alone', async () => {
  // issued for ten years and a day, from a day before
  it.clock.at = now + 5 * year - 86_400_000
  expect(await hello()).toEqual([])
  expect(renewals()).toEqual([])
})

test('past half of its time the next one is made once, and handed over with a later hello', async () => {
  it.clock.at = now + 5 * year + 86_400_000
  expect(await hello()).toEqual([])
  const [row, ...more] = renewals()
  expect(more).toEqual([])
  expect(row).toMatchObject({ number: 1, actor: 'receiver', tls_key: enrolled().tls_key })
  expect(certificatePin(row!.certificate)).toBe(enrolled().tls_key)
  const certificate = new X509Certificate(row!.certificate)
  expect(certificate.subject).toBe(`CN=${it.box.gateway}`)
  expect(certificate.verify(new X509Certificate(it.signers.authority.certificate).publicKey)).toBe(true)
  expect(untilOf(row!.certificate)).toBeGreaterThan(untilOf(enrolled().certificate))

  const [update] = await hello()
  expect(update).toMatchObject({ statements: [], certificate: row!.certificate })
  // a box says nothing of its certificate: the same is handed over again, but not with each hello
  expect(await hello()).toEqual([])
  it.clock.steady += hour
  expect((await hello())[0]?.certificate).toBe(row!.certificate)
  expect(renewals()).toHaveLength(1)
  expect(it.registry.revokedCertificates()).toEqual([])
  const bundle = bundleForm.parse(JSON.parse(makeBundle(it.store, it.registry, it.box.gateway)))
  expect(bundle.certificate).toBe(row!.certificate)
  expect(listFlags(it.store, {})).toEqual([])
  expect(await problems()).toEqual([])
})

test('a renewed certificate is renewed in its turn', async () => {
  it.clock.at = now + 6 * year
  await hello()
  it.clock.at = now + 10 * year
  await hello()
  expect(renewals()).toHaveLength(1)
  it.clock.at = now + 12 * year
  await hello()
  expect(renewals().map(one => one.number)).toEqual([1, 2])
})

test('two workers that hear of it at once keep one', async () => {
  const decided = { actor: 'receiver', now: now + 6 * year }
  const both = [1, 2].map(() => renew(it.store, it.registry, it.box.gateway, it.signers.authority, decided))
  const made = await Promise.all(both)
  expect(made.filter(one => one !== undefined)).toHaveLength(1)
  expect(renewals()).toHaveLength(1)
})

test('a CA key that is away stops nothing, and is asked for again; a bug is told', async () => {
  it.clock.at = now + 6 * year
  const failed: unknown[] = []
  let fault: unknown = new Fault('key.missing', 'the key of the CA is away')
  const certificates = makeCertificates({
    ...{ store: it.store, registry: it.registry, clock: it.clock, log: silent },
    authority: () => {
      if (fault !== undefined) throw fault
      return it.signers.authority
    },
    fail: error => void failed.push(error),
  })
  const ask = async () => {
    const certificate = certificates.forHello(it.box.gateway, it.first.key.kid)
    await certificates.settled()
    return certificate
  }
  expect(await ask()).toBeUndefined()
  expect([failed, renewals()]).toEqual([[], []])
  fault = new TypeError('a bug')
  await ask()
  expect(failed).toEqual([fault])
  fault = undefined
  await ask()
  expect(await ask()).toBe(renewals()[0]?.certificate)
})

test('a revoked gateway gets none; the revoked list has renewed certificates, too', async () => {
  it.clock.at = now + 6 * year
  await hello()
  it.revoke(it.box.gateway)
  await expect(
    renew(it.store, it.registry, it.box.gateway, it.signers.authority, { actor: 'anna', now }),
  ).rejects.toMatchObject({ code: 'registry.known' })
  const serials = [enrolled(), renewals()[0]!].map(one =>
    new X509Certificate(one.certificate).serialNumber.toLowerCase(),
  )
  expect(it.registry.revokedCertificates().map(one => one.serial)).toEqual(serials)
})

test('an insider who exchanges a renewed certificate is found', async () => {
  it.clock.at = now + 6 * year
  await hello()
  const other = await it.another()
  it.store.db.exec('DROP TRIGGER renewals_stay')
  it.store.run('UPDATE renewals SET certificate = ?', other)
  expect((await problems()).map(one => one.problem)).toEqual([
    expect.stringContaining('it is not what log'),
    'its certificate is not the one of this box',
  ])
})

test('registry renew does it at once, and list and show tell until when', () => {
  const { gateway } = it.box
  it.store.db.pragma('wal_checkpoint(TRUNCATE)')
  const typed = (...line: string[]) => {
    const all = ['--state', it.state, 'registry', ...line]
    const { stdout, status } = spawnSync(program, all, { encoding: 'utf8', input: '' })
    return { out: stdout, code: status }
  }
  const before = new Date(untilOf(enrolled().certificate)).toISOString()
  expect(JSON.parse(typed('list', '--json').out)).toMatchObject({ gateway, certificateUntil: before })
  expect(typed('renew').code).toBe(2)
  expect(typed('renew', gateway, '--all').code).toBe(2)
  const done = JSON.parse(typed('renew', gateway.slice(0, 6), '--by', 'anna', '--json').out)
  expect(done).toEqual({
    gateway,
    number: 1,
    until: new Date(untilOf(renewals()[0]!.certificate)).toISOString(),
  })
  expect(typed('renew', '--all')).toMatchObject({
    code: 0,
    out: expect.stringContaining(`renewed: ${gateway}, until`),
  })
  expect(renewals().map(one => one.actor)).toEqual(['anna', expect.any(String)])
  const until = new Date(untilOf(renewals()[1]!.certificate)).toISOString()
  expect(JSON.parse(typed('show', gateway, '--json').out)).toMatchObject({ certificate: { until } })
  expect(typed('list').out).toContain(until.slice(0, 10))
  expect(typed('verify').code).toBe(0)
}, 120_000)
