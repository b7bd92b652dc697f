import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { Command } from 'commander'
import { base64url } from '../../src/base/bytes.ts'
import { codeOf } from '../../src/base/fault.ts'
import { flagsCommand } from '../../src/receiver/cli-flags.ts'
import { readingsCommand } from '../../src/receiver/cli-readings.ts'
import { readSince } from '../../src/receiver/cli-store.ts'
import { makeReceive } from '../../src/receiver/receive.ts'
import { openRegistry } from '../../src/receiver/registry.ts'
import { paths, writeFacts } from '../../src/receiver/state.ts'
import { openStore } from '../../src/receiver/store.ts'
import { topics } from '../../src/wire/topics.ts'
import { bench, epochOf, gateway, server, standing, thrownBy } from './fixture.ts'
import { enrolled, silent } from './listen-fixture.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vitalgate-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** A state folder with one accepted reading and one that waits. */
function filled(): void {
  const root = base64url(gateway.key.publicKey)
  writeFacts(folder, {
    receiver: 1,
    server: server.id,
    root,
    successor: root,
    operator: 'tester',
    broker: 'embedded',
    hosts: ['localhost'],
    port: 8883,
    client: 'receiver-test',
  })
  const made = bench()
  const epoch = epochOf(gateway, 'e1e1e1e1e1e1e1e1')
  made.receive([epoch.open(), epoch.reading(), epoch.reading({ device: 'cuff-2' })].map(one => one.message))
  made.store.db.pragma('wal_checkpoint(TRUNCATE)')
  copyFileSync(made.path, paths(folder).database)
  made.end()
}

/** Types a command and gives what it prints; throws what it throws. */
async function type(...words: string[]): Promise<string> {
  const program = new Command('vitalgate-receiver').exitOverride()
  program.option('--state <dir>').option('--json').addCommand(readingsCommand()).addCommand(flagsCommand())
  const write = jest.spyOn(process.stdout, 'write').mockReturnValue(true)
  try {
    await program.parseAsync(['--state', folder, ...words], { from: 'user' })
    return write.mock.calls.map(([text]) => String(text)).join('')
  } finally {
    write.mockRestore()
  }
}

const code = (words: string[]) => type(...words).then(() => undefined, codeOf)

test('readings list: a table for people, with digits, notes and verdict', async () => {
  filled()
  const columns = (await type('readings', 'list'))
    .trim()
    .split('\n')
    .map(line => line.split(/ {2,}/))
  expect(columns).toEqual([
    ['TIME (UTC)', 'GATEWAY', 'DEVICE', 'BAND', 'VALUES', 'VERDICT', 'FLAGS AND NOTES'],
    [
      '2026-07-11 09:05:00',
      gateway.id.slice(0, 8),
      'cuff-1',
      'BAND-0001',
      'systolic 120 mmHg, diastolic 80 mmHg, pulse-rate 72 /min',
      'accept',
      '-',
    ],
  ])
})

test('readings list --json and export: one object a line', async () => {
  filled()
  const lines = (await type('readings', 'list', '--verdict', 'all', '--json')).trim().split('\n')
  expect(lines.map(line => (JSON.parse(line) as { verdict: string }).verdict)).toEqual([
    'accept',
    'quarantine',
  ])
  expect(JSON.parse(await type('readings', 'export'))).toMatchObject({
    gateway: gateway.id,
    values: { systolic: { value: 120, unit: 'mm[Hg]' } },
    flags: [],
  })
})

/** A whole state folder, with the operator's key, in which a device that nobody accepted has spoken. */
async function whole(): Promise<void> {
  await enrolled(folder)
  const store = openStore(paths(folder).database)
  const registry = openRegistry(folder, store.db)
  const receive = makeReceive({ store, trust: registry, clock: standing(), log: silent })
  const epoch = epochOf(gateway, 'e1e1e1e1e1e1e1e1', registry.server)
  const topic = topics(registry.server.id, gateway.id).up
  receive([epoch.open(), epoch.reading()].map(({ message }) => ({ ...message, topic })))
  store.close()
}

test('flags: listed, reviewed, and shown with who did it and who signed it', async () => {
  await whole()
  expect(JSON.parse(await type('flags', 'list', '--json'))).toMatchObject({
    id: 1,
    flag: 'DEVICE_UNREGISTERED',
  })
  const review = ['flags', 'review', '1', '--by', 'A. Jones', '--comment', 'known cuff']
  expect(await type(...review)).toBe('flag 1 reviewed by A. Jones\n')
  expect(await type(...review)).toBe('flag 1 was already reviewed so by A. Jones\n')
  expect(await type('flags', 'list', '--open')).toBe('no flags\n')
  expect(JSON.parse(await type('flags', 'show', '1', '--json'))).toMatchObject({
    state: 'reviewed',
    acts: [
      { act: 'raised', actor: 'receiver', signed: null },
      { act: 'reviewed', actor: 'A. Jones', detail: 'known cuff', signed: { operator: 'tester' } },
    ],
  })
})

test.each([
  [['readings', 'list', '--verdict', 'maybe']],
  [['readings', 'list', '--gateway', 'abc']],
  [['readings', 'list', '--limit', '0']],
  [['readings', 'list', '--since', 'yesterday']],
  [['flags', 'list', '--flag', 'GAPS']],
  [['flags', 'show', 'one']],
  [['flags', 'review', '1', '--comment', '']],
])('typed wrong: %j', async words => {
  filled()
  expect(await code(words)).toBe('usage')
})

test('without a receiver in the folder nothing is made there', async () => {
  expect(await code(['readings', 'list'])).toBe('registry.missing')
  expect(await code(['flags', 'list'])).toBe('registry.missing')
})

test.each([
  ['2026-07-11', Date.UTC(2026, 6, 11)],
  ['2026-07-11T09:05', Date.UTC(2026, 6, 11, 9, 5)],
  ['2026-07-11T09:05Z', Date.UTC(2026, 6, 11, 9, 5)],
  ['2026-07-11T09:05:30+02:00', Date.UTC(2026, 6, 11, 7, 5, 30)],
  ['90m', 1_000_000_000_000 - 5_400_000],
])('--since %s', (text, at) => {
  expect(readSince(text, 1_000_000_000_000)).toBe(at)
})

test('--since a day that is none', () => {
  expect(thrownBy(() => readSince('2026-13-11', 0))).toBe('usage')
})
