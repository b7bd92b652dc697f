import { afterEach, expect, test } from '@jest/globals'
import { Fault } from '../../src/base/fault.ts'
import { makeLog } from '../../src/base/log.ts'
import { type DamageWatch, watchDamage } from '../../src/receiver/run-damage.ts'

let watch: DamageWatch | undefined
afterEach(() => watch?.stop())

const disbelieved = (what: string) =>
  new Fault('store.damaged', `${what} is not believed: it is not readable`)

/** A registry that meets damage as the true one does: when a row is read. */
function registry(count: number, bad: Record<string, string>) {
  const damage = new Map<string, Fault>()
  const read: string[] = []
  const meet = (id: string): void => {
    read.push(id)
    const what = bad[id]
    if (what !== undefined) damage.set(what, disbelieved(what))
  }
  return {
    read,
    meet,
    gateways: () => Array.from({ length: count }, (_, at) => `g${at}`),
    gateway: (id: string) => {
      meet(id)
      return undefined
    },
    devices: () => ({ version: 0, hash: null, devices: [] }),
    damage: () => [...damage.values()],
  }
}

/** A log whose lines can be waited for. */
function heard(count: number) {
  const lines: { err: { code: string; message: string } }[] = []
  const all = Promise.withResolvers<void>()
  const write = (line: string): void => {
    lines.push(JSON.parse(line))
    if (lines.length === count) all.resolve()
  }
  return { lines, log: makeLog('info', { write }), all: all.promise }
}

const none = (error: unknown): void => {
  throw error
}

test('every row that is not believed is told at the start, however many gateways there are', async () => {
  const known = registry(70, { g0: 'binding 1 of g0', g69: 'device-list 2 of g69' })
  const { lines, log, all } = heard(2)
  watch = watchDamage(known, log, none)
  await all
  expect(known.read).toHaveLength(70)
  expect(lines.map(({ err }) => [err.code, err.message.split(' is not')[0]])).toEqual([
    ['store.damaged', 'binding 1 of g0'],
    ['store.damaged', 'device-list 2 of g69'],
  ])
})

test('one that is met later is told as well, and none twice', async () => {
  const known = registry(1, { g0: 'binding 1 of g0', new: 'binding 2 of g0' })
  const { lines, log, all } = heard(2)
  watch = watchDamage(known, log, none, 1)
  known.meet('g0')
  known.meet('new')
  await all
  expect(lines).toHaveLength(2)
})

test('what reading throws ends the receiver', () => {
  const failed: unknown[] = []
  const fault = new Fault('registry.missing', 'there is no server entry')
  const known = {
    ...registry(1, {}),
    gateway: () => {
      throw fault
    },
  }
  watch = watchDamage(known, heard(0).log, error => failed.push(error))
  expect(failed).toEqual([fault])
})
