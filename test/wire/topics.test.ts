import { expect, test } from '@jest/globals'
import { readTopic, topics, upFilter } from '../../src/wire/topics.ts'
import { gateway, server } from './samples.ts'

const up = `vitalgate/1/${server.id}/${gateway.id}/up`
const down = `vitalgate/1/${server.id}/${gateway.id}/down`

test('topics are those of WIRE 8.2', () => {
  expect(topics(server.id, gateway.id)).toEqual({ up, down })
  expect(upFilter(server.id, false)).toBe(`vitalgate/1/${server.id}/+/up`)
  expect(upFilter(server.id, true)).toBe(`$share/${server.id}/vitalgate/1/${server.id}/+/up`)
})

test('a topic tells whose it is', () => {
  expect(readTopic(up)).toEqual({ server: server.id, gateway: gateway.id, way: 'up' })
  expect(readTopic(down)).toEqual({ server: server.id, gateway: gateway.id, way: 'down' })
})

test.each([
  '',
  'up',
  `/${up}`,
  `${up}/`,
  `${up}/x`,
  `${up}\n`,
  up.replace('/1/', '/2/'),
  up.replace('vitalgate', 'Vitalgate'),
  up.replace(/up$/, 'UP'),
  up.replace(/up$/, 'hello'),
  up.replace(gateway.id, '+'),
  up.replace(gateway.id, '#'),
  up.replace(gateway.id, ''),
  up.replace(gateway.id, gateway.id.toUpperCase()),
  up.replace(gateway.id, gateway.id.slice(1)),
  up.replace(gateway.id, `${gateway.id.slice(0, 25)}b`),
  up.replace(server.id, `a${server.id}`),
  `$share/${server.id}/${up}`,
])('%j is none of ours', topic => {
  expect(readTopic(topic)).toBeUndefined()
})
