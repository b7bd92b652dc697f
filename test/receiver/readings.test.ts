import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { Fault } from '../../src/base/fault.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import { releaseDevice } from '../../src/receiver/readings.ts'
import { eachReading, listReadings } from '../../src/receiver/readings-list.ts'
import {
  type Bench,
  bench,
  epochOf,
  gateway,
  morning,
  pressure,
  reviewer,
  thrownBy,
  time,
} from './fixture.ts'

let it: Bench
let epoch: ReturnType<typeof epochOf>
beforeEach(() => {
  it = bench()
  epoch = epochOf(gateway, 'e1e1e1e1e1e1e1e1')
  it.receive([epoch.open().message])
})
afterEach(() => it.end())

const { attribution: _, ...nobodys } = pressure

test('a reading as JSON: the digits that were measured, bands, times and device facts', () => {
  const members = {
    values: { 'body-weight': { n: 7240, s: 2, u: 'kg' }, 'body-fat': { n: 50, s: 1, u: '%' } },
    deviceTime: '2026-07-11T09:05',
    deviceId: '000123',
    time: { ...time(), wall: morning - 1500 },
  }
  it.receive([epoch.reading(members).message])
  const [line] = listReadings(it.store, {})
  expect(JSON.stringify(line)).toBe(
    `{"gateway":"${gateway.id}","epoch":"e1e1e1e1e1e1e1e1","seq":2,"device":"cuff-1","station":"room-12",` +
      '"band":"BAND-0001","values":{"body-weight":{"value":72.40,"unit":"kg"},"body-fat":{"value":5.0,"unit":"%"}},' +
      '"time":"2026-07-11T09:04:58.500Z","received":"2026-07-11T09:05:00.000Z","verdict":"accept","flags":[],' +
      '"notes":[],"deviceTime":"2026-07-11T09:05","deviceId":"000123"}',
  )
})

test('nobody scanned: the band is null and the note says so', () => {
  it.receive([epoch.say('reading', nobodys).message])
  expect(listReadings(it.store, {})).toMatchObject([
    { band: null, notes: ['unattributed'], verdict: 'accept' },
  ])
})

test('what waits in quarantine is shown only when asked for', () => {
  it.receive([epoch.reading({ device: 'cuff-2' }).message, epoch.reading().message])
  const devices = (filter: object) => listReadings(it.store, filter).map(one => one.device)
  expect(devices({})).toEqual(['cuff-1'])
  expect(devices({ verdict: 'quarantine' })).toEqual(['cuff-2'])
  expect(devices({ verdict: 'all' })).toEqual(['cuff-2', 'cuff-1'])
  expect([...eachReading(it.store, {})].map(one => one.device)).toEqual(['cuff-1'])
})

test('filters: gateway or its beginning, device, band, since, the newest', () => {
  it.receive([epoch.reading().message])
  it.clock.at += 1000
  it.receive([epoch.reading({ attribution: { band: 'BAND-0002', scannedMono: 1 } }).message])
  const seqs = (filter: object) => listReadings(it.store, filter).map(one => one.seq)
  expect(seqs({ gateway: gateway.id.slice(0, 6) })).toEqual([2, 3])
  expect(seqs({ gateway: 'zzzzzz' })).toEqual([])
  expect(seqs({ device: 'cuff-9' })).toEqual([])
  expect(seqs({ band: 'BAND-0002' })).toEqual([3])
  expect(seqs({ since: morning + 1 })).toEqual([3])
  expect(seqs({ limit: 1 })).toEqual([3])
})

test('release: after acceptance the waiting readings are accepted, by a named act, values untouched', () => {
  it.receive([epoch.reading({ device: 'cuff-2' }).message, epoch.reading({ device: 'cuff-3' }).message])
  const [before] = listReadings(it.store, { verdict: 'quarantine' })
  expect(before?.flags).toEqual(['DEVICE_UNREGISTERED'])
  expect(releaseDevice(it.store, reviewer, gateway.id, 'cuff-2', 'operator', morning + 1)).toBe(1)
  const [after] = listReadings(it.store, {})
  expect(JSON.stringify(after)).toBe(JSON.stringify({ ...before, verdict: 'accept', flags: [] }))
  expect(listFlags(it.store, {}, it.trust.reviews).map(one => [one.device, one.state, one.by])).toEqual([
    ['cuff-2', 'released', 'operator'],
    ['cuff-3', 'open', undefined],
  ])
  expect(releaseDevice(it.store, reviewer, gateway.id, 'cuff-2', 'operator')).toBe(0)
})

test('one flag stands for all readings of a device, driver and station until somebody acts', () => {
  const send = (...all: object[]) => it.receive(all.map(members => epoch.reading(members).message))
  const raised = () => listFlags(it.store, { flag: 'DEVICE_UNREGISTERED' }, it.trust.reviews)
  send({ device: 'cuff-2' }, { device: 'cuff-2' }, { device: 'cuff-2', station: 'room-13' })
  expect(raised().map(one => one.reading?.seq)).toEqual([2, 4])
  expect(raised().at(-1)?.more).toBe(1)
  expect(listReadings(it.store, { verdict: 'quarantine' }).map(one => one.flags)).toEqual([
    ['DEVICE_UNREGISTERED'],
    ['DEVICE_UNREGISTERED'],
    ['DEVICE_UNREGISTERED'],
  ])
  const accepted = { driver: pressure.driver.id, station: 'room-12', proposal: 'f'.repeat(64) }
  expect(releaseDevice(it.store, reviewer, gateway.id, 'cuff-2', 'operator', morning, accepted)).toBe(2)
  expect(raised().map(one => one.state)).toEqual(['released', 'open'])
  expect(listReadings(it.store, {}).map(one => [one.seq, one.flags])).toEqual([
    [2, []],
    [3, []],
  ])
  send({ device: 'cuff-2' }, { device: 'cuff-2' })
  expect(raised().map(one => [one.reading?.seq, one.state])).toEqual([
    [2, 'released'],
    [4, 'open'],
    [5, 'open'],
  ])
})

test('release keeps to the driver and the station that were accepted', () => {
  it.receive([epoch.reading({ device: 'cuff-2' }).message])
  const accepted = { driver: pressure.driver.id, station: 'room-13', proposal: 'f'.repeat(64) }
  expect(releaseDevice(it.store, reviewer, gateway.id, 'cuff-2', 'operator', morning, accepted)).toBe(0)
  expect(
    releaseDevice(it.store, reviewer, gateway.id, 'cuff-2', 'operator', morning, {
      ...accepted,
      station: 'room-12',
    }),
  ).toBe(1)
})

test('a reading that was forked stays flagged when its device is released', () => {
  const place = epoch.reading()
  const first = epoch.reading({ device: 'cuff-2' })
  epoch.back(place)
  const second = epoch.reading({ device: 'cuff-2', raw: 'ff' })
  it.receive([place, first, second].map(one => one.message))
  expect(releaseDevice(it.store, reviewer, gateway.id, 'cuff-2', 'operator')).toBe(2)
  expect(listReadings(it.store, { device: 'cuff-2' }).map(one => [one.verdict, one.flags])).toEqual([
    ['flag', ['FORK']],
    ['flag', ['FORK']],
  ])
})

const claim = (seq: number, band: string, mono: number) =>
  epoch.event(
    'reading-claimed',
    { epoch: 'e1e1e1e1e1e1e1e1', seq, band, scannedMono: mono },
    { time: time(mono) },
  )

test.each([
  ['reading, first, second', [0, 1, 2]],
  ['second, reading, first', [2, 0, 1]],
  ['first, second, reading', [1, 2, 0]],
  ['second, first, reading', [2, 1, 0]],
])('a scan shortly after claims a reading; the first claim counts: %s', (_, order) => {
  const sent = [epoch.say('reading', nobodys), claim(2, 'BAND-0007', 2000), claim(2, 'BAND-0008', 3000)]
  it.receive(order.map(at => sent[at]!.message))
  expect(listReadings(it.store, {})).toMatchObject([{ band: 'BAND-0007', notes: ['claimed-late'] }])
})

test('a claim sets a band only where none was signed, whatever notes were', () => {
  const signed = epoch.reading({ notes: ['claimed-late'] })
  it.receive([signed, claim(2, 'BAND-0007', 2000)].map(one => one.message))
  expect(listReadings(it.store, {})).toMatchObject([{ band: 'BAND-0001', notes: ['claimed-late'] }])
  expect(it.store.get('SELECT band, claimed FROM readings')).toEqual({ band: 'BAND-0001', claimed: null })
})

test('a claim whose scan was long after, or that is of another boot, stands in no way', () => {
  const elsewhere = epoch.event(
    'reading-claimed',
    { epoch: 'e1e1e1e1e1e1e1e1', seq: 2, band: 'BAND-0006', scannedMono: 1500 },
    { time: { ...time(1500), boot: 'c'.repeat(32) } },
  )
  const sent = [elsewhere, claim(2, 'BAND-0007', 1000 + 600_001), claim(2, 'BAND-0008', 1000 + 600_000)]
  epoch = epochOf(gateway, 'e1e1e1e1e1e1e1e1')
  epoch.open()
  it.receive([epoch.say('reading', nobodys), ...sent].map(one => one.message))
  expect(listReadings(it.store, {})).toMatchObject([{ band: 'BAND-0008', notes: ['claimed-late'] }])
  expect(listReadings(it.store, { band: 'BAND-0008' })).toHaveLength(1)
})

test('the first claim is the first in the chain, though a later one tells an earlier scan', () => {
  it.receive(
    [epoch.say('reading', nobodys), claim(2, 'BAND-0007', 3000), claim(2, 'BAND-0008', 2000)].map(
      one => one.message,
    ),
  )
  expect(listReadings(it.store, {})).toMatchObject([{ band: 'BAND-0007' }])
})

test('nothing claims a reading that has its band, or one of another boot', () => {
  const attributed = epoch.reading()
  const elsewhere = epoch.say('reading', { ...nobodys, time: { ...time(), boot: 'c'.repeat(32) } })
  it.receive(
    [attributed, elsewhere, claim(2, 'BAND-0007', 2000), claim(3, 'BAND-0007', 2001)].map(one => one.message),
  )
  expect(listReadings(it.store, {}).map(one => one.band)).toEqual(['BAND-0001', null])
})

test('when the clock became good, earlier times of that boot are told by it; what was signed stays', () => {
  const unsure = epoch.reading({ time: { ...time(5000, 'none'), wall: 86_400_000 } })
  const anchor = epoch.event('clock-anchored', { boot: 'b'.repeat(32), mono: 65_000, wall: morning })
  it.receive([unsure.message])
  expect(listReadings(it.store, {})).toMatchObject([{ time: '1970-01-02T00:00:00.000Z' }])
  it.receive([anchor.message])
  expect(listReadings(it.store, {})).toMatchObject([
    { time: '2026-07-11T09:04:00.000Z', notes: ['time-unsynced'] },
  ])
  expect(it.store.get('SELECT wall FROM readings')).toEqual({ wall: 86_400_000 })
})

test('an anchor of 2090 changes no time, and of several the last of a boot counts, in whatever order they come', () => {
  const boot = 'b'.repeat(32)
  const unsure = epoch.reading({ time: { ...time(5000, 'none'), wall: 86_400_000 } })
  const far = epoch.event('clock-anchored', { boot, mono: 65_000, wall: Date.UTC(2090, 0, 1) })
  const early = epoch.event('clock-anchored', { boot, mono: 125_000, wall: Date.UTC(2026, 0, 1) })
  const right = epoch.event('clock-anchored', { boot, mono: 185_000, wall: morning })
  it.receive([unsure.message, far.message])
  expect(listReadings(it.store, {})).toMatchObject([{ time: '1970-01-02T00:00:00.000Z' }])
  it.receive([right.message])
  it.receive([early.message])
  // three minutes before the last anchor, which is at 09:05
  expect(listReadings(it.store, {})).toMatchObject([{ time: '2026-07-11T09:02:00.000Z' }])
})

test('an anchor that leads out of the calendar changes no time', () => {
  const unsure = epoch.reading({ time: { ...time(0, 'none'), wall: 86_400_000 } })
  const anchor = epoch.event('clock-anchored', {
    boot: 'b'.repeat(32),
    mono: Number.MAX_SAFE_INTEGER,
    wall: 0,
  })
  it.receive([unsure.message, anchor.message])
  expect(listReadings(it.store, {})).toMatchObject([{ time: '1970-01-02T00:00:00.000Z' }])
})

test.each(['wall = 9000000000000000', "quantities = '{'", "notes = 'x'"])(
  'a row that cannot be shown (%s) stops neither list nor export, and is told',
  damage => {
    it.receive([epoch.reading().message, epoch.reading().message, epoch.reading().message])
    it.store.run(`UPDATE readings SET ${damage} WHERE seq = 3`)
    const told: Fault[] = []
    const seqs = listReadings(it.store, {}, fault => told.push(fault)).map(one => one.seq)
    expect([seqs, told.map(one => one.message)]).toEqual([[2, 4], ['1 readings cannot be shown, in rows 2']])
    const exported: number[] = []
    const walk = () => {
      for (const one of eachReading(it.store, {})) exported.push(one.seq)
    }
    expect(thrownBy(walk)).toBe('store.damaged')
    expect(exported).toEqual([2, 4])
  },
)
