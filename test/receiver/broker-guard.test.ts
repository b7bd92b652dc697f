import { expect, test } from '@jest/globals'
import { type Refusal, refusals } from '../../src/receiver/broker-refusals.ts'

test('a peer that goes on and on is reported once a minute, with its count', () => {
  const reports: Refusal[] = []
  let at = 0
  const { refuse, flush } = refusals(
    one => reports.push(one),
    () => at,
  )
  const peer = { address: '192.0.2.1', fingerprint: 'aa', name: 'x' }
  for (let n = 0; n < 50; n++) refuse(peer, 'not-enrolled', 'x')
  refuse({ ...peer, fingerprint: 'bb' }, 'not-enrolled', 'x')
  expect(reports.map(one => one.count)).toEqual([1, 1])
  at = 60_000
  refuse(peer, 'not-enrolled', 'x')
  expect(reports.at(-1)?.count).toBe(50)
  refuse(peer, 'not-enrolled', 'x\u001b[31m')
  flush()
  expect(reports.at(-1)).toMatchObject({ count: 1, detail: 'x?[31m' })
})
