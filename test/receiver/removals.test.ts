import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { isRemoved } from '../../src/receiver/removals.ts'
import { type Bench, bench, cuff, epochOf, gateway, type Said } from './fixture.ts'

let it: Bench
let epoch: ReturnType<typeof epochOf>
beforeEach(() => {
  it = bench()
  epoch = epochOf(gateway, 'e1e1e1e1e1e1e1e1')
})
afterEach(() => it.end())

const { device, driver, station } = cuff
const propose = (options = '0') =>
  epoch.event('device-proposed', { device, driver, station, link: 'serial', options: options.repeat(64) })
const remove = () => epoch.event('device-removed', { device })
const take = (...said: Said[]) => it.receive(said.map(one => one.message))
const verdictOf = ({ hash }: Said) =>
  it.store.get<{ verdict: string }>('SELECT verdict FROM readings WHERE hash = ?', hash)?.verdict
/** An operator accepts what was proposed. */
const accept = ({ hash }: Said) => it.devices.splice(0, 1, { ...cuff, proposal: hash })

test('after its removal the readings of a device wait until it is accepted anew', () => {
  const opened = epoch.open()
  const proposed = propose()
  accept(proposed)
  const [before, removed, after] = [epoch.reading(), remove(), epoch.reading()]
  take(opened, proposed, before, removed, after)
  expect([before, after].map(verdictOf)).toEqual(['accept', 'quarantine'])
  const anew = propose('1')
  const waiting = epoch.reading()
  take(anew, waiting)
  expect(verdictOf(waiting)).toBe('quarantine')
  accept(anew)
  const believed = epoch.reading()
  take(believed)
  expect(verdictOf(believed)).toBe('accept')
})

test('a removal counts for the next reading of the very batch that it came in, and a new proposal does not undo it', () => {
  const [opened, proposed] = [epoch.open(), propose()]
  accept(proposed)
  const [before, removed, anew, after] = [epoch.reading(), remove(), propose('1'), epoch.reading()]
  take(opened, proposed, before, removed, anew, after)
  expect([before, after].map(verdictOf)).toEqual(['accept', 'quarantine'])
})

test('the chain decides what came before, in whatever order it arrives', () => {
  const said = [epoch.open(), propose(), epoch.reading(), remove(), propose('1'), epoch.reading()] as const
  const [opened, proposed, before, removed, anew, after] = said
  accept(anew)
  take(after, anew, removed, opened, proposed)
  expect(verdictOf(after)).toBe('accept')
  expect([proposed, anew].map(({ hash }) => isRemoved(it.store, gateway.id, hash))).toEqual([true, false])
  accept(proposed)
  take(before)
  expect(verdictOf(before)).toBe('accept')
})

test('a reading of the epoch before, which comes late, was said before the removal', () => {
  const proposed = [epoch.open(), propose()] as const
  const late = epoch.reading()
  accept(proposed[1])
  take(...proposed)
  epoch = epochOf(gateway, 'e2e2e2e2e2e2e2e2')
  take(epoch.open(), remove())
  take(late)
  expect(verdictOf(late)).toBe('accept')
  epoch = epochOf(gateway, 'e3e3e3e3e3e3e3e3')
  const after = [epoch.open(), epoch.reading()] as const
  take(...after)
  expect(verdictOf(after[1])).toBe('quarantine')
})

test('a removal of another device, or of another gateway, takes nothing away', () => {
  const proposed = [epoch.open(), propose()] as const
  accept(proposed[1])
  take(...proposed, epoch.event('device-removed', { device: 'cuff-9' }))
  const reading = epoch.reading()
  take(reading)
  expect(verdictOf(reading)).toBe('accept')
})
