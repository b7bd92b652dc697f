import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from '@jest/globals'
import { unbase64url } from '../../src/base/bytes.ts'
import { certificatePin } from '../../src/receiver/authority.ts'
import { initialise } from '../../src/receiver/init.ts'
import type { Plan } from '../../src/receiver/init-keys.ts'
import { openRegistry } from '../../src/receiver/registry.ts'
import { readFacts, readSecrets } from '../../src/receiver/state.ts'
import { openStore } from '../../src/receiver/store.ts'
import { rootWords } from '../../src/wire/words.ts'

const folder = mkdtempSync(join(tmpdir(), 'vitalgate-init-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const now = 1_780_000_000_000
const plan: Plan = {
  hosts: ['localhost', '::1'],
  port: 8883,
  broker: 'embedded',
  announced: [],
  operator: 'operator',
  now,
}
const passphrase = async () => 'correct horse battery'

test('init makes a registry that verifies under its root, and done again changes nothing', async () => {
  const state = join(folder, 'first')
  const first = await initialise(state, plan, passphrase)
  expect(first.already).toBe(false)
  expect(first.words).toEqual(rootWords(unbase64url(first.facts.root)))
  const before = readdirSync(state).map(name => [name, readFileSync(join(state, name), 'hex')])
  const again = await initialise(state, { ...plan, hosts: ['other'] }, () => {
    throw new Error('the passphrase was asked for')
  })
  expect(again).toEqual({ ...first, already: true })
  expect(readdirSync(state).map(name => [name, readFileSync(join(state, name), 'hex')])).toEqual(before)

  const store = openStore(join(state, 'receiver.db'))
  const registry = openRegistry(state, store.db)
  const entry = registry.entry()
  expect(entry.brokers).toEqual(['mqtts://localhost:8883', 'mqtts://[::1]:8883'])
  expect(entry.pins).toEqual([certificatePin(readFileSync(join(state, 'broker.pem'), 'utf8'))])
  expect(entry.until - entry.from).toBe(157_788_000_000) // five years of 365.25 days
  expect(unbase64url(entry.keys.box)).toEqual(registry.server.box.publicKey)
  expect(unbase64url(entry.keys.receipt)).toEqual(registry.server.receipt.publicKey)
  expect(registry.damage()).toEqual([])
  store.close()
})

test('secrets are 0600 in a folder of 0700, and the root opens with its passphrase only', async () => {
  const state = join(folder, 'first')
  expect(statSync(state).mode & 0o777).toBe(0o700)
  const sealed = readdirSync(state).filter(name => /\.(sealed|secret)$/.test(name))
  expect(sealed.sort()).toEqual([
    'ca.sealed',
    'keyfile.secret',
    'operator.sealed',
    'root.sealed',
    'server.sealed',
    'successor.sealed',
  ])
  for (const name of sealed) expect(statSync(join(state, name)).mode & 0o777).toBe(0o600)
  expect(() => readSecrets(state, 'root', { passphrase: 'correct horse' })).toThrow(
    expect.objectContaining({ code: 'key.locked' }),
  )
  expect(readSecrets(state, 'root', { passphrase: await passphrase() }).seed).toHaveLength(43)
  for (const name of readdirSync(state)) {
    expect(readFileSync(join(state, name), 'latin1')).not.toContain('PRIVATE KEY')
  }
})

test('init cut short at any file goes on with the keys that are there', async () => {
  const whole = join(folder, 'first')
  const order = ['receiver.json', 'client.pem', 'broker.pem', 'ca.pem', 'server.sealed', 'ca.sealed']
  const state = join(folder, 'cut')
  const first = await initialise(state, plan, passphrase)
  for (let cut = 1; cut <= order.length; cut++) {
    const kept = new Map(
      ['root.sealed', 'successor.sealed', ...order.slice(cut).filter(name => name.endsWith('.sealed'))].map(
        name => [name, readFileSync(join(state, name), 'utf8')],
      ),
    )
    for (const name of order.slice(0, cut)) rmSync(join(state, name))
    // the database is written after the certificates: whoever lacks one, lacks it too
    if (cut > 1)
      for (const end of ['', '-wal', '-shm']) rmSync(join(state, `receiver.db${end}`), { force: true })
    const again = await initialise(state, plan, passphrase)
    expect(again.already).toBe(false)
    expect(again.words).toEqual(first.words)
    for (const [name, content] of kept) expect(readFileSync(join(state, name), 'utf8')).toBe(content)
    const store = openStore(join(state, 'receiver.db'))
    const registry = openRegistry(state, store.db)
    expect(registry.entry().server).toBe(again.facts.server)
    expect(registry.entry().pins).toEqual([certificatePin(readFileSync(join(state, 'broker.pem'), 'utf8'))])
    store.close()
  }
  expect(readFacts(whole).root).not.toBe(readFacts(state).root)
})

test('a second attempt with another passphrase or, once signed, other hosts is refused', async () => {
  const state = join(folder, 'other')
  await initialise(state, plan, passphrase)
  rmSync(join(state, 'receiver.json'))
  await expect(initialise(state, plan, async () => 'another passphrase')).rejects.toMatchObject({
    code: 'key.locked',
  })
  await expect(initialise(state, { ...plan, hosts: ['other'] }, passphrase)).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringContaining('mqtts://localhost:8883'),
  })
})

test('with a broker of your own its key is laid out for it, readable by the owner only', async () => {
  const state = join(folder, 'own-broker')
  const own = { ...plan, hosts: ['mq.example.org'], broker: 'mqtts://mq.example.org:8884', port: 8884 }
  const { facts } = await initialise(state, own, passphrase)
  expect(facts.broker).toBe('mqtts://mq.example.org:8884')
  expect(statSync(join(state, 'broker-key.pem')).mode & 0o777).toBe(0o600)
  const store = openStore(join(state, 'receiver.db'))
  expect(openRegistry(state, store.db).entry().brokers).toEqual(['mqtts://mq.example.org:8884'])
  store.close()
})

test('an announced address is told to gateways in place of the broker as it stands', async () => {
  const state = join(folder, 'announced')
  await initialise(state, { ...plan, announced: ['mqtts://router.example.org:9000'] }, passphrase)
  const store = openStore(join(state, 'receiver.db'))
  expect(openRegistry(state, store.db).entry().brokers).toEqual(['mqtts://router.example.org:9000'])
  store.close()
})
