import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { listAlerts } from '../../src/receiver/alerts.ts'
import { makeAuthority, makeTlsKey } from '../../src/receiver/authority.ts'
import { releaseGateway } from '../../src/receiver/hold.ts'
import { setMinimum } from '../../src/receiver/minimum.ts'
import { raise } from '../../src/receiver/suspicion.ts'
import { watchStanding } from '../../src/receiver/watch-standing.ts'
import type { ServerEntry } from '../../src/wire/registry.ts'
import { type Bench, bench, gateway, morning, reviewer } from './fixture.ts'
import { hello } from './session-fixture.ts'

const day = 86_400_000
let it: Bench
let until = 0
beforeEach(() => {
  it = bench()
  until = morning + 365 * day
})
afterEach(() => it.end())

/** As a receiver watches that has just begun: it knows only what is in the database. */
const watch = () =>
  watchStanding({
    store: it.store,
    registry: {
      ...it.trust,
      gateways: () => [...it.gateways.keys()],
      devices: () => ({ version: 1, hash: null, devices: [] }),
      entry: () => ({ until }) as ServerEntry,
    },
    to: ['command'],
    clock: it.clock,
  })
const told = () => listAlerts(it.store, {}).map(one => [one.kind, one.gateway, one.detail])
const kinds = () => listAlerts(it.store, {}).map(one => one.kind)

test('a hold and its end are told once each, restarts included', () => {
  watch().look(gateway.id)
  expect(told()).toEqual([])
  const flag = it.store.write(() =>
    raise(it.store, { flag: 'CLONE_SUSPECT', gateway: gateway.id, detail: 'x', at: morning }),
  )
  watch().look(gateway.id)
  watch().look(gateway.id)
  expect(told()).toEqual([['gateway-held', gateway.id, expect.stringContaining(`flag ${flag}`)]])
  const decided = { by: 'anna', words: 'found', at: morning }
  releaseGateway(it.store, it.trust.reviews, reviewer, gateway.id, decided)
  watch().look(gateway.id)
  watch().look(gateway.id)
  expect(kinds()).toEqual(['gateway-held', 'gateway-released'])
})

test('a gateway with old software is told once, and again only after it was updated', () => {
  const shake = (nonce: string, software: string) => it.receive([hello(nonce, { software }).message])
  shake('1', '0.1.0')
  setMinimum(it.store, '0.2.0', 'anna', morning)
  watch().look(gateway.id)
  watch().look(gateway.id)
  expect(told()).toEqual([['gateway-outdated', gateway.id, expect.stringContaining('below 0.2.0')]])
  shake('2', '0.2.0')
  watch().look(gateway.id)
  shake('3', '0.1.9')
  watch().look(gateway.id)
  expect(kinds()).toEqual(['gateway-outdated', 'gateway-outdated'])
})

test('the server entry and certificates are told 30 days before they end, each once', async () => {
  const key = await makeTlsKey()
  // of twenty years, and one whose years are nearly over
  const certificate = await makeAuthority(key, 'test', morning)
  const ending = await makeAuthority(key, 'test', morning - 20 * 365.25 * day + 29 * day)
  until = morning + 30 * day
  watch().lookAtServer([{ name: 'broker', certificate }])
  expect(told()).toEqual([])
  it.clock.at += 1
  watch().lookAtServer([{ name: 'broker', certificate: ending }])
  watch().lookAtServer([{ name: 'broker', certificate: ending }])
  expect(told()).toEqual([
    ['entry-ends', null, expect.stringContaining('ends 2026-08-10')],
    ['certificate-ends', null, expect.stringContaining('the certificate of the broker ends 2026-08-0')],
  ])
  // a new entry is silent, and told again when its time is near
  until = morning + 400 * day
  watch().lookAtServer([])
  until = morning + 10 * day
  watch().lookAtServer([])
  expect(kinds()).toEqual(['entry-ends', 'certificate-ends', 'entry-ends'])
})
