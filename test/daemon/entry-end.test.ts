import { expect, test } from '@jest/globals'
import { makeLog } from '../../src/base/log.ts'
import { entryNotice, watchEntry } from '../../src/daemon/entry-end.ts'

const day = 86_400_000
const until = Date.UTC(2031, 4, 1)

test('people are told from thirty days before its end, and after it, by the server’s time alone', () => {
  expect(entryNotice(until, undefined)).toBeUndefined()
  expect(entryNotice(until, until - 30 * day - 1)).toBeUndefined()
  expect(entryNotice(until, until - 30 * day)).toMatch(/^the server entry runs out on 2031-05-01/)
  expect(entryNotice(until, until - 1)).toMatch(/^the server entry runs out on 2031-05-01/)
  // a command is refused from this very moment on (WIRE 7.12)
  expect(entryNotice(until, until)).toMatch(
    /^the server entry ran out on 2031-05-01: readings are taken and sent/,
  )
})

test('the log tells it once a day, by the steady clock', () => {
  const lines: string[] = []
  let mono = 5
  const clock = { now: () => 0, mono: () => mono }
  const look = watchEntry(clock, makeLog('info', { write: line => void lines.push(line) }))
  look(until, until - 31 * day)
  expect(lines).toEqual([])
  look(until, until - 2 * day)
  look(until, until - 2 * day + 300_000)
  mono += day - 1
  look(until, until - day)
  expect(lines).toHaveLength(1)
  mono += 1
  look(until, until)
  expect(lines.map(line => JSON.parse(line) as object)).toMatchObject([
    { level: 'warn', msg: 'the server entry runs out', until },
    { level: 'warn', msg: 'the server entry ran out', until },
  ])
})
