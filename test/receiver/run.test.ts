import { mkdtempSync, rmSync } from 'node:fs'
import { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, jest, test } from '@jest/globals'
import { runReceiver } from '../../src/receiver/run.ts'
import { paths } from '../../src/receiver/state.ts'
import { openStore } from '../../src/receiver/store.ts'
import { epochOf, gateway } from './fixture.ts'
import { connected, enrolled, silent } from './listen-fixture.ts'

let folder: string
let known: Awaited<ReturnType<typeof enrolled>>
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vitalgate-'))
  known = await enrolled(folder)
})
beforeEach(() => {
  jest.spyOn(process.stderr, 'write').mockReturnValue(true)
})
afterEach(() => {
  jest.restoreAllMocks()
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

/** A running receiver: its port, and its end. */
async function running() {
  const ready = Promise.withResolvers<number>()
  const done = runReceiver({ state: folder, log: silent, onReady: port => ready.resolve(port!) })
  done.catch(ready.reject)
  return { port: await ready.promise, done }
}

test('a port that breaks after the start ends the receiver with its fault', async () => {
  const listen = jest.spyOn(Server.prototype, 'listen')
  const { done } = await running()
  const failed = expect(done).rejects.toMatchObject({
    code: 'broker.port',
    message: expect.stringContaining('EMFILE'),
  })
  const server = listen.mock.contexts[0] as Server
  server.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' }))
  await failed
  expect(server.listening).toBe(false)
})

test('the first signal ends the receiver in the middle of the work, and what it confirmed is kept', async () => {
  const { port, done } = await running()
  const { client, next, send } = await connected(port, known)
  const epoch = epochOf(gateway, 'e1e1e1e1e1e1e1e1', known.server)
  const confirmed = next()
  for (const one of [epoch.open(), ...Array.from({ length: 400 }, () => epoch.reading())]) {
    send(one.message.payload).catch(() => undefined) // cut off while it sends
  }
  const { seq } = await confirmed
  process.emit('SIGTERM')
  await done
  await client.endAsync(true)
  const store = openStore(paths(folder).database)
  const held = store.get<{ n: number }>('SELECT count(*) AS n FROM chains')!.n
  store.close()
  expect(held).toBeGreaterThanOrEqual(seq)
})

test('the second signal ends the process at once', async () => {
  const ended = jest.spyOn(process, 'exit').mockImplementation(() => undefined as never)
  const { done } = await running()
  process.emit('SIGTERM')
  expect(ended).not.toHaveBeenCalled()
  process.emit('SIGINT')
  // 128 + SIGINT, as shells count
  expect(ended).toHaveBeenCalledWith(130)
  await done
})
