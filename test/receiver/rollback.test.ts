import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { listFlags, reviewFlag } from '../../src/receiver/flags.ts'
import { type Bench, bench, gateway, reviewer } from './fixture.ts'
import { hello } from './session-fixture.ts'

let it: Bench
beforeEach(() => {
  it = bench()
})
afterEach(() => it.end())

/** What the registry of the fixture knows. */
const known = { binding: 1, serverEntry: 1, devices: 1, revocations: 0 }
const flags = () => listFlags(it.store, {}).map(({ flag, gateway, detail }) => ({ flag, gateway, detail }))
const say = (nonce: string, versions: object) =>
  it.receive([hello(nonce, { versions: { ...known, ...versions } }).message])

test.each([
  ['binding', 'binding 2, here it is 1'],
  ['serverEntry', 'server entry 2, here it is 1'],
  ['devices', 'device list 2, here it is 1'],
  ['revocations', 'revocation 2, here it is 0'],
])('a gateway that knows a higher %s raises REGISTRY_ROLLBACK, and is answered as ever', (what, told) => {
  expect(say('a', { [what]: 2 })).toHaveLength(1)
  expect(flags()).toEqual([{ flag: 'REGISTRY_ROLLBACK', gateway: gateway.id, detail: `it knows ${told}` }])
})

test('a gateway that knows the same, or less, raises nothing', () => {
  say('a', {})
  say('b', { binding: 0, serverEntry: 0, devices: 0, revocations: 0 })
  expect(flags()).toEqual([])
})

test('several at once are one flag, and it is raised once until somebody looks', () => {
  say('a', { binding: 3, revocations: 7 })
  say('b', { binding: 3, revocations: 7 })
  expect(flags().map(one => one.detail)).toEqual([
    'it knows binding 3, here it is 1; revocation 7, here it is 0',
  ])
  const [flag] = listFlags(it.store, {})
  expect(flag?.more).toBe(1)
  reviewFlag(it.store, it.trust.reviews, reviewer, flag!.id, {
    by: 'anna',
    comment: 'backup restored',
    at: it.clock.at,
  })
  say('c', { binding: 3 })
  expect(flags()).toHaveLength(2)
})
