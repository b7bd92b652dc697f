import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from '@jest/globals'
import { systemClock } from '../../src/base/clock.ts'
import type { Gateway } from '../../src/daemon/gateway.ts'
import { handlersOf } from '../../src/daemon/handlers.ts'
import type { Link } from '../../src/daemon/link.ts'
import { loadDrivers } from '../../src/driver/load.ts'
import type { Identity } from '../../src/identity/identity.ts'
import type { Request } from '../../src/wire/registry.ts'
import { decodeBody, unpublish } from '../../src/wire/statement.ts'
import { rootWords } from '../../src/wire/words.ts'
import { makeBundle, makeRegistry } from '../identity/registry-stand-in.ts'

const folder = mkdtempSync(join(tmpdir(), 'vitalgate-handlers-'))
const registry = makeRegistry()
afterAll(() => {
  for (const one of [folder, registry.folder]) rmSync(one, { recursive: true, force: true })
})

/** The parts of a gateway that handlers use; what it was told to say is remembered. */
async function standing() {
  const told: { event: string; detail: object }[] = []
  let linked = false
  let identity = { phase: 'fresh' } as Identity
  const gateway = {
    parts: { state: folder, software: 'test', clock: systemClock, drivers: await loadDrivers(), moments: {} },
    stations: { add: () => undefined, remove: async () => undefined },
    identity: () => identity,
    identify: (next: Identity) => {
      identity = next
    },
    ways: { bonded: () => undefined },
    link: () =>
      linked ? ({ custody: { stats: async () => ({ epochs: [] }) } } as unknown as Link) : undefined,
    formers: () => [],
    isShut: () => false,
    steady: async () => {},
    connect: async () => {
      linked = true
    },
    event: async (members: { event: string; detail: object }) => {
      told.push(members)
    },
  } as unknown as Gateway
  return { handlers: handlersOf(gateway), told }
}

test('a device added before there was a server is proposed when there is one, and again when it is added again', async () => {
  const { handlers, told } = await standing()
  const port = join(folder, 'port')
  symlinkSync('/dev/null', port)
  const scale = { id: 'scale', driver: 'and-line', port, station: 'room-1', options: {} }
  const { request } = await handlers.request({})
  expect(await handlers.addDevice(scale)).toMatchObject({ already: false })
  expect(told).toEqual([])

  const body = decodeBody(unpublish(JSON.parse(request)).body) as unknown as Request
  const bundle = JSON.stringify(makeBundle(registry, body))
  await handlers.accept({ bundle, rootWords: rootWords(registry.root.publicKey).join(' ') })
  const proposal = {
    event: 'device-proposed',
    detail: expect.objectContaining({
      device: 'scale',
      driver: 'and-line',
      station: 'room-1',
      link: 'serial',
    }),
  }
  expect(told).toEqual([proposal])

  await handlers.accept({ bundle })
  expect(told).toHaveLength(1)
  expect(await handlers.addDevice(scale)).toMatchObject({ already: true })
  expect(told).toEqual([proposal, proposal])
})
