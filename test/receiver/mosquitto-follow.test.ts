import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { until } from '../../scripts/scenario/program.ts'
import type { Log } from '../../src/base/log.ts'
import { type Follower, followLog } from '../../src/receiver/mosquitto-follow.ts'

let folder: string
let path: string
let place: string
let lines: string[]
let followers: Follower[]
let warned: string[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vitalgate-follow-'))
  path = join(folder, 'broker.log')
  place = join(folder, 'place.json')
  ;[lines, followers, warned] = [[], [], []]
})
afterEach(async () => {
  for (const one of followers) await one.stop()
  rmSync(folder, { recursive: true })
})

/** A log that keeps what it was warned of. */
const log = {
  child: () => log,
  warn: ({ err }: { err?: Error }) => void warned.push(err?.message ?? 'warned'),
} as unknown as Log

function follow(
  onLine = (line: string): void => void lines.push(line),
  fail = (error: unknown): void => {
    throw error
  },
): Follower {
  const follower = followLog({ path, place, log, onLine, fail, everyMs: 5 })
  followers.push(follower)
  return follower
}
const heard = (count: number): Promise<void> => until(`${count} lines`, 30_000, () => lines.length >= count)
/** Says a line until it is heard: only then is it known that the file is followed. */
async function begun(): Promise<void> {
  await until('the beginning', 30_000, () => {
    if (lines.length === 0) appendFileSync(path, 'begun\n')
    return lines.length > 0
  })
  await new Promise(resolve => setImmediate(resolve))
  lines.length = 0
}

test('what was there before is not told, what comes is, line by line in whatever pieces', async () => {
  writeFileSync(path, 'old\nolder without an end')
  follow()
  await begun()
  for (const piece of ['one\ntw', 'o', '\n\nthree é\nfo', 'ur\n']) appendFileSync(path, piece)
  await until('the last', 30_000, () => lines.includes('four'))
  expect(lines.filter(line => line !== 'begun')).toEqual(['one', 'two', '', 'three é', 'four'])
})

test('a log that is moved away is read to its end, and the new one from its beginning', async () => {
  writeFileSync(path, '')
  follow()
  await begun()
  appendFileSync(path, 'a\n')
  renameSync(path, `${path}.1`)
  appendFileSync(`${path}.1`, 'b\n')
  writeFileSync(path, 'c\n')
  await until('the last', 30_000, () => lines.includes('c'))
  expect(lines.filter(line => line !== 'begun')).toEqual(['a', 'b', 'c'])
})

test('a log that is moved away and made again only later is waited for', async () => {
  writeFileSync(path, '')
  follow()
  await begun()
  renameSync(path, `${path}.1`)
  appendFileSync(`${path}.1`, 'last words\n')
  await until('the last words', 30_000, () => lines.includes('last words'))
  writeFileSync(path, 'new\n')
  await until('the new ones', 30_000, () => lines.includes('new'))
})

test('a log that is cut to nothing is read on from its beginning', async () => {
  writeFileSync(path, 'x'.repeat(500))
  follow()
  await begun()
  truncateSync(path, 0)
  appendFileSync(path, 'after\n')
  await until('the line after', 30_000, () => lines.includes('after'))
})

test('a log that is not there yet is waited for, and read from its beginning', async () => {
  follow()
  await until('the warning', 30_000, () => warned.length > 0)
  writeFileSync(path, 'first\n')
  await heard(1)
  expect([lines, warned]).toEqual([['first'], [`there is no ${path}`]])
})

test('what came while nobody followed is told afterwards, once; half a line is waited for', async () => {
  writeFileSync(path, '')
  const first = follow()
  await begun()
  appendFileSync(path, 'one\nhal')
  await until('the first', 30_000, () => lines.includes('one'))
  await first.stop()
  expect(JSON.parse(readFileSync(place, 'utf8'))).toEqual({
    inode: expect.any(Number),
    offset: readFileSync(path, 'utf8').lastIndexOf('hal'),
  })
  appendFileSync(path, 'f\nmeanwhile\n')
  lines.length = 0
  follow()
  await heard(2)
  expect(lines).toEqual(['half', 'meanwhile'])
})

test('what was moved away while nobody followed is given up, the new log is read whole', async () => {
  writeFileSync(path, '')
  const first = follow()
  await begun()
  await first.stop()
  renameSync(path, `${path}.1`)
  writeFileSync(path, 'x\ny\n')
  lines.length = 0
  follow()
  await heard(2)
  expect(lines).toEqual(['x', 'y'])
})

test('a damaged place is like none', async () => {
  writeFileSync(path, 'old\n')
  writeFileSync(place, '{"inode":-1}')
  follow()
  await begun()
})

test('an endless line costs its limit only, and the next one is whole again', async () => {
  writeFileSync(path, '')
  follow()
  await begun()
  appendFileSync(path, `${'x'.repeat(300_000)}\nnext\n`)
  await until('the next', 30_000, () => lines.includes('next'))
  const [long] = lines.filter(line => line.startsWith('x'))
  expect(long).toBe('x'.repeat(4096))
})

test('who is far behind passes over what he cannot take', async () => {
  writeFileSync(path, 'begun\n')
  const first = follow()
  await begun()
  await first.stop()
  lines.length = 0
  // 20 MiB: beyond the 16 MiB that are ever made up for; 64 KiB of its end are read
  const line = `${'y'.repeat(1023)}\n`
  writeFileSync(`${path}.big`, line.repeat(20 * 1024))
  appendFileSync(path, readFileSync(`${path}.big`))
  appendFileSync(path, 'the end\n')
  follow()
  await until('the end', 30_000, () => lines.includes('the end'))
  expect(lines.length).toBeLessThan(70)
})

test('a named pipe or a folder in its place holds nobody up', async () => {
  expect(spawnSync('mkfifo', [path]).status).toBe(0)
  follow()
  await until('the warning', 30_000, () => warned.length > 0)
  rmSync(path)
  await until('the second warning', 30_000, () => warned.length > 1)
  mkdirSync(path)
  await until('the third warning', 30_000, () => warned.length > 2)
  rmdirSync(path)
  await until('the fourth warning', 30_000, () => warned.length > 3)
  writeFileSync(path, 'plain\n')
  await heard(1)
  expect(warned).toEqual([
    `${path} cannot be used (ENOTFILE)`,
    `there is no ${path}`,
    `${path} cannot be used (ENOTFILE)`,
    `there is no ${path}`,
  ])
})

test('what a listener throws is handed on, and following ends', async () => {
  writeFileSync(path, '')
  const failures: unknown[] = []
  const bug = new Error('a bug')
  const throwing = (): void => {
    throw bug
  }
  const follower = follow(throwing, error => void failures.push(error))
  await until('the failure', 30_000, () => {
    appendFileSync(path, 'x\n')
    return failures.length > 0
  })
  await follower.stop()
  expect(failures).toEqual([bug])
})
