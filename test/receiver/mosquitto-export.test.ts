import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import type { MqttClient } from 'mqtt'
import { until } from '../../scripts/scenario/program.ts'
import type { Program } from '../way/program.ts'
import { idOf } from './broker-fixture.ts'
import { closed, dial, granted, makeSite, patienceMs, type Site } from './mosquitto-fixture.ts'

// What a second export changes in Debian's Mosquitto, by a reload and by a restart; what it leaves alone.
jest.setTimeout(120_000)

const gateway = idOf()
let site: Site
let broker: Program
const clients: MqttClient[] = []
const down = (id: string) => `vitalgate/1/${site.server}/${id}/down`

beforeAll(async () => {
  site = await makeSite()
  site.enrol(gateway)
  await site.exported()
  broker = await site.start()
})
afterAll(async () => {
  for (const client of clients) client.end(true)
  await site?.close()
})

async function reload(): Promise<void> {
  const from = site.logged().length
  broker.child.kill('SIGHUP')
  await until('the reload', patienceMs, () => site.logged(from).includes('Reloading config'))
}

async function enter(name: string): Promise<MqttClient> {
  const client = await dial(site, await site.ends(name), name)
  client.on('error', () => undefined)
  clients.push(client)
  return client
}

test('a revoked certificate stays out after a reload, also with a session from before', async () => {
  const ends = await site.ends(gateway)
  const before = connectTls({ port: site.port, host: 'localhost', ...ends, maxVersion: 'TLSv1.2' })
  const [session] = (await once(before, 'session')) as [Buffer]
  before.destroy()
  const connectedBefore = await dial(site, ends, gateway)
  const serial = new X509Certificate(ends.cert).serialNumber
  // a second later: of two lists the later one counts
  await site.exported([{ serial, at: Date.now() }], Date.now() + 1000)
  await reload()
  await expect(dial(site, ends, gateway)).rejects.toThrow()
  const resumed = connectTls({ port: site.port, host: 'localhost', ...ends, session, maxVersion: 'TLSv1.2' })
  const [error] = (await once(resumed, 'error')) as [Error & { code?: string }]
  expect(error.code).toBe('ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_REVOKED')
  const other = await dial(site, await site.ends(gateway), gateway)
  // a reload takes nobody out who is in; his place went to the new certificate
  await closed(connectedBefore)
  await other.endAsync(true)
  await site.exported([], Date.now() + 2000)
  await reload()
})

test('who is enrolled later is let in by the next export and a restart', async () => {
  const later = idOf()
  const client = await enter(later)
  expect(await granted(client, down(later))).toBe(false)
  site.enrol(later)
  const { gateways, given } = await site.exported()
  expect([gateways, given]).toEqual([2, process.getuid?.() === 0])
  await reload()
  // the plugin of 2.0 reads its rules when it starts, and then only: docs/OPERATE.md says so
  expect(await granted(await enter(later), down(later))).toBe(false)
  await broker.end('SIGTERM')
  broker = await site.start()
  expect(await granted(await enter(later), down(later))).toBe(true)
})

test('files are their owner’s alone; what is not ours in the folder stays; nothing secret is in the log', async () => {
  const own = join(site.at.own, 'site.conf')
  writeFileSync(own, '# ours\n')
  writeFileSync(join(site.folder, 'mosquitto', 'notes.txt'), 'ours')
  const { files } = await site.exported()
  expect(files).toEqual([
    site.at.authority,
    site.at.certificate,
    site.at.key,
    site.at.revoked,
    site.at.rules,
    site.at.configuration,
  ])
  const owner = statSync(site.at.log).uid
  for (const file of files) {
    expect([file, statSync(file).mode & 0o777, statSync(file).uid]).toEqual([file, 0o600, owner])
  }
  expect(statSync(site.at.log).mode & 0o777).toBe(0o640)
  expect(readFileSync(own, 'utf8')).toBe('# ours\n')
  expect(existsSync(join(site.folder, 'mosquitto', 'notes.txt'))).toBe(true)
  expect(site.logged()).not.toContain('PRIVATE KEY')
})
