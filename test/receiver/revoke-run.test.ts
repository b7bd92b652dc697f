import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, jest, test } from '@jest/globals'
import { base64url } from '../../src/base/bytes.ts'
import { systemClock } from '../../src/base/clock.ts'
import { makeReceive } from '../../src/receiver/receive.ts'
import { openRegistry } from '../../src/receiver/registry.ts'
import { insertStatement } from '../../src/receiver/registry-rows.ts'
import { runReceiver } from '../../src/receiver/run.ts'
import { paths, readSigner } from '../../src/receiver/state.ts'
import { openStore } from '../../src/receiver/store.ts'
import { signRegistry } from '../../src/wire/registry.ts'
import { topics } from '../../src/wire/topics.ts'
import { makeBox } from './box.ts'
import { epochOf, gateway, holder } from './fixture.ts'
import { connected, enrolled, passphrase, silent } from './listen-fixture.ts'

const program = join(import.meta.dirname, '../../scripts/vitalgate-receiver')
let folder: string
let known: Awaited<ReturnType<typeof enrolled>>
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vitalgate-'))
  known = await enrolled(folder)
})
beforeEach(() => {
  jest.spyOn(process.stderr, 'write').mockReturnValue(true)
})
afterAll(() => {
  jest.restoreAllMocks()
  rmSync(folder, { recursive: true })
})

/** Binds one more gateway. */
async function bind(id: string): Promise<void> {
  const store = openStore(paths(folder).database)
  const { sign, box } = await makeBox({ gateway: id })
  const keys = { sign: base64url(sign.publicKey), box: base64url(box.publicKey), tls: '1'.repeat(64) }
  const root = readSigner(folder, 'root', { passphrase })
  const binding = { gateway: id, server: known.server.id, version: 1, site: 'site', keys, since: 1 }
  const statement = signRegistry('binding', binding, root)
  insertStatement(store.db, { subject: id, version: 1, statement, at: 1, actor: 'test' })
  store.close()
}

/** Types a command of the registry, as another process beside the receiver. */
async function typed(...line: string[]) {
  const child = spawn(program, ['--state', folder, 'registry', ...line])
  let out = ''
  child.stdout.setEncoding('utf8').on('data', text => {
    out += text
  })
  const [code] = await once(child, 'close')
  return { code, out }
}

test('a running receiver believes a revoked gateway no more, and cuts it off; what came before stays', async () => {
  const ready = Promise.withResolvers<number>()
  const ending = new AbortController()
  const done = runReceiver({
    state: folder,
    log: silent,
    signal: ending.signal,
    onReady: port => ready.resolve(port!),
  })
  done.catch(ready.reject)
  const port = await ready.promise
  const { client, next, send } = await connected(port, known)
  const epoch = epochOf(gateway, 'e1e1e1e1e1e1e1e1', known.server)
  const receipt = next()
  await send(epoch.open().message.payload)
  expect(await receipt).toMatchObject({ seq: 1 })

  const closed = new Promise<void>(resolve => client.once('close', () => resolve()))
  expect(
    await typed('revoke', gateway.id.slice(0, 8), '--why', 'stolen', '--by', 'anna', '--yes'),
  ).toMatchObject({
    code: 0,
    out: `revoked: gateway ${gateway.id} at site, number 1\n`,
  })
  await closed
  await expect(connected(port, known)).rejects.toMatchObject({ code: 5 })
  await client.endAsync(true)
  ending.abort()
  await done

  const store = openStore(paths(folder).database)
  const raised = (flag: string) =>
    store.all<{ detail: string }>("SELECT detail FROM flag_acts WHERE act = 'raised' AND flag = ?", flag)
  expect(raised('BROKER_REFUSED')[0]?.detail).toContain(`revoked ${gateway.id}`)
  // what comes by another broker, or came before it was cut off
  const trust = openRegistry(folder, store.db)
  const receive = makeReceive({ store, trust, clock: systemClock, log: silent })
  const { payload } = epoch.reading().message
  expect(receive([{ topic: topics(known.server.id, gateway.id).up, payload }])).toEqual([])
  expect(raised('REVOKED_KEY')).toEqual([{ detail: `key ${gateway.key.kid} is revoked by number 1` }])
  expect(store.all('SELECT seq FROM chains')).toEqual([{ seq: 1 }])
  store.close()
}, 60_000)

test('at a terminal a word must be typed, and another word leaves all as it is', async () => {
  const gatewayToo = holder(0x60).id
  await bind(gatewayToo)
  const line = `${program} --state ${folder} registry revoke ${gatewayToo} --why "given up"`
  const answered = (word: string) => {
    const { status, stdout } = spawnSync('script', ['-qec', line, '/dev/null'], {
      input: `${word}\n`,
      encoding: 'utf8',
    })
    return { status, stdout }
  }
  const left = answered('yes')
  expect(left.stdout).toContain('This cannot be undone.')
  expect(left.stdout).toContain(`Type ${gatewayToo.slice(0, 6)} to revoke`)
  expect(left).toMatchObject({
    status: 2,
    stdout: expect.stringContaining('not confirmed: nothing was revoked'),
  })
  const { out } = await typed('list', '--json')
  const states = out
    .trim()
    .split('\n')
    .map(text => JSON.parse(text))
  expect(states.find(one => one.gateway === gatewayToo)?.state).toBe('enrolled')
  expect(answered(gatewayToo.slice(0, 6))).toMatchObject({
    status: 0,
    stdout: expect.stringContaining(`revoked: gateway ${gatewayToo} at site, number 2`),
  })
}, 60_000)

test('list tells who is revoked, a second revocation is already so, and it asks before it acts', async () => {
  const { out } = await typed('list', '--json')
  const [first] = out.split('\n')
  expect(JSON.parse(first!)).toMatchObject({ gateway: gateway.id, state: 'revoked' })
  expect(await typed('revoke', gateway.id, '--why', 'stolen')).toMatchObject({
    code: 0,
    out: `already revoked: gateway ${gateway.id} at site, number 1\n`,
  })
  expect(await typed('revoke-operator', 'tester', '--why', 'left')).toMatchObject({ code: 2, out: '' })
  expect(await typed('revoke-operator', 'nobody', '--why', 'left', '--yes')).toMatchObject({ code: 1 })
  expect(await typed('revoke', gateway.id)).toMatchObject({ code: 2 })
  expect(await typed('revoke', gateway.id, '--why', 'x'.repeat(129), '--yes')).toMatchObject({ code: 2 })
})
