import { chmodSync, chownSync, existsSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { CommandFailed, type, until } from '../../scripts/scenario/program.ts'
import { type FlagLine, listFlags } from '../../src/receiver/flags.ts'
import { paths } from '../../src/receiver/state.ts'
import { openStore, type Store } from '../../src/receiver/store.ts'
import { type Program, startProgram } from '../way/program.ts'
import { authority, idOf } from './broker-fixture.ts'
import { dial, granted, makeSite, patienceMs, type Site } from './mosquitto-fixture.ts'

// What Debian's Mosquitto refuses comes to the receiver's notice: the real programs, exported as an operator does.
jest.setTimeout(120_000)

const [gateway, neighbour] = [idOf(), idOf()]
let site: Site
let broker: Program
let receiver: Program
let store: Store
const down = () => `vitalgate/1/${site.server}/${gateway}/down`
const command = (...words: string[]) => type('vitalgate-receiver', ['--state', site.state, ...words])

beforeAll(async () => {
  site = await makeSite()
  site.enrol(gateway)
  await command('registry', 'export', '--mosquitto', join(site.folder, 'mosquitto'))
  broker = await site.start()
  receiver = startReceiver()
  store = openStore(paths(site.state).database)
  await until('the receiver', patienceMs, () => site.logged().includes(`as ${site.receiver} `))
})
afterAll(async () => {
  store?.close()
  await receiver?.end('SIGKILL')
  await site?.close()
})

const startReceiver = (): Program =>
  startProgram(
    'vitalgate-receiver',
    ['--state', site.state, 'run', '--broker-log', site.at.log],
    join(site.folder, 'receiver.log'),
  )

/** The newest flag whose detail has these words, once there is one. */
async function flagged(words: string): Promise<FlagLine> {
  const found = (): FlagLine | undefined => listFlags(store, {}).findLast(one => one.detail.includes(words))
  await until(`a flag: ${words}`, patienceMs, () => found() !== undefined)
  return found()!
}

/** What cannot be misread: the wrong certificate is told before anything that comes after it in the log. */
async function foreignCertificate(): Promise<void> {
  const { ca } = await site.ends(gateway)
  const foreign = await authority('Vitalgate CA of another')
  await expect(dial(site, { ...(await foreign.certified(gateway)), ca }, gateway)).rejects.toThrow()
}

test('a gateway that is honest raises no flag, one that is not is named', async () => {
  const client = await dial(site, await site.ends(gateway), gateway)
  expect(await granted(client, down())).toBe(true)
  expect(await granted(client, '#')).toBe(false)
  const { flag, outcome, gateway: who, detail } = await flagged('forbidden-subscribe')
  expect([flag, outcome, who, detail]).toEqual([
    'BROKER_REFUSED',
    'refuse',
    gateway,
    `forbidden-subscribe #, from 127.0.0.1 with certificate of ${gateway}`,
  ])
  await client.endAsync(true)
  expect(listFlags(store, {})).toHaveLength(1)
})

test('two gateways behind one address are told apart, though the same is refused at once', async () => {
  site.enrol(neighbour)
  for (const name of [gateway, neighbour]) {
    const client = await dial(site, await site.ends(name), name)
    await client.publishAsync('somewhere/else', 'x', { qos: 1 })
    await client.endAsync(true)
  }
  expect(
    (await flagged(`forbidden-publish somewhere/else, from 127.0.0.1 with certificate of ${neighbour}`))
      .gateway,
  ).toBe(neighbour)
  expect(
    (await flagged(`forbidden-publish somewhere/else, from 127.0.0.1 with certificate of ${gateway}`))
      .gateway,
  ).toBe(gateway)
})

test('a foreign certificate is told, without a name that nobody proved', async () => {
  await foreignCertificate()
  const { gateway: who, detail } = await flagged('foreign-certificate')
  expect([who, detail]).toEqual([
    null,
    'foreign-certificate foreign, revoked or out of date, from 127.0.0.1 with unknown certificate',
  ])
})

test('what the broker refused while the receiver was away is told when it is back', async () => {
  expect(await receiver.end('SIGTERM')).toEqual({ code: 0, signal: null })
  expect(statSync(join(site.state, 'broker-log.json')).mode & 0o777).toBe(0o600)
  const intruder = await dial(site, await site.ends('intruder'), 'intruder')
  await intruder.endAsync(true)
  const before = listFlags(store, {}).length
  receiver.start()
  const { detail } = await flagged('not-enrolled')
  expect(detail).toBe('not-enrolled connected, may do nothing, from 127.0.0.1 with certificate of intruder')
  // nothing that was told before is told again
  expect(listFlags(store, {})).toHaveLength(before + 1)
})

test('after the log was rotated and made anew it is followed on', async () => {
  const { uid, gid } = statSync(site.at.log)
  renameSync(site.at.log, `${site.at.log}.1`)
  // as logrotate's "create 0640 mosquitto GROUP" does
  writeFileSync(site.at.log, '')
  chmodSync(site.at.log, 0o640)
  chownSync(site.at.log, uid, gid)
  broker.child.kill('SIGHUP')
  await until('the old log telling the reload', patienceMs, () => existsSync(`${site.at.log}.1`))
  const { ca } = await site.ends(gateway)
  await until('the new log', patienceMs, async () => {
    await dial(site, { ca }, gateway).then(
      client => client.endAsync(true),
      () => undefined, // refused, which is what is looked for
    )
    return site.logged().includes('did not return a certificate')
  })
  const { detail } = await flagged('no-certificate')
  expect(detail).toContain('no-certificate, from')
  expect([...receiver.crashes(), ...broker.crashes()]).toEqual([])
})

test('a revoked gateway is told while the broker lets it in, and has no rights after the next export', async () => {
  await command('registry', 'revoke', gateway, '--why', 'a test', '--yes')
  const client = await dial(site, await site.ends(gateway), gateway)
  const { gateway: who } = await flagged('revoked connected, export again')
  expect(who).toBe(gateway)
  const { gateways } = JSON.parse(
    await command('registry', 'export', '--mosquitto', join(site.folder, 'mosquitto'), '--json'),
  ) as { gateways: number }
  expect(gateways).toBe(1)
  await broker.end('SIGTERM')
  await client.endAsync(true)
  broker = await site.start()
  const again = await dial(site, await site.ends(gateway), gateway)
  expect(await granted(again, down())).toBe(false)
  await again.endAsync(true)
})

/** What a command says on stderr when it fails. */
const failing = (work: Promise<string>): Promise<string> =>
  work.then(
    () => 'it did not fail',
    error => (error instanceof CommandFailed ? error.message.split('\n').slice(1).join('\n') : String(error)),
  )

test('export says what it made; without a broker of one’s own neither command has any use', async () => {
  const folder = join(site.folder, 'second')
  const made = JSON.parse(await command('registry', 'export', '--mosquitto', folder, '--json')) as object
  expect(made).toEqual({
    folder,
    files: [
      'ca.pem',
      'broker.pem',
      'broker-key.pem',
      'revoked.pem',
      'dynamic-security.json',
      'mosquitto.conf',
    ].map(name => join(folder, name)),
    gateways: 1,
    revoked: 0,
    user: 'mosquitto',
    given: process.getuid?.() === 0,
  })
  expect(await failing(command('registry', 'export'))).toContain('ended with 2')
  expect(await failing(command('registry', 'export', '--mosquitto', 'x', '--user', 'a b'))).toContain('2: ')
  expect(await failing(command('registry', 'export', '--mosquitto', 'a\nb'))).toContain('no plain line')
  const embedded = await makeSite('embedded')
  try {
    const own = (...words: string[]) => type('vitalgate-receiver', ['--state', embedded.state, ...words])
    expect(await failing(own('registry', 'export', '--mosquitto', folder))).toContain(
      'ended with 1: vitalgate-receiver: error: this receiver runs the embedded broker',
    )
    expect(await failing(own('run', '--broker-log', site.at.log))).toContain(
      'ended with 2: vitalgate-receiver: error: the embedded broker has no log to read',
    )
  } finally {
    await embedded.close()
  }
})

test('a folder that others may write to is refused, and nothing is put into it', async () => {
  const folder = join(site.folder, 'open')
  await command('registry', 'export', '--mosquitto', folder)
  chmodSync(folder, 0o777)
  const before = statSync(join(folder, 'mosquitto.conf')).ino
  expect(await failing(command('registry', 'export', '--mosquitto', folder))).toContain('ended with 13')
  expect(statSync(join(folder, 'mosquitto.conf')).ino).toBe(before)
})
