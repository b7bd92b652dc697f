import { expect, test } from '@jest/globals'
import { followPackets } from '../../src/wire/packets.ts'

test('announced lengths are read across any cut, and only too long ones are told', () => {
  // MQTT 3.1.1 table 2.4: 127 is 7f, 128 is 80 01, 16,384 is 80 80 01
  const packet = (length: number, header: number[]) =>
    Buffer.concat([Buffer.from(header), Buffer.alloc(length)])
  const stream = Buffer.concat([
    packet(0, [0xc0, 0x00]),
    packet(127, [0x30, 0x7f]),
    packet(128, [0x30, 0x80, 0x01]),
    packet(200, [0x30, 0xc8, 0x01]),
  ])
  for (let cut = 0; cut <= stream.length; cut++) {
    const follow = followPackets(203)
    expect(follow(stream.subarray(0, cut))).toBeUndefined()
    expect(follow(stream.subarray(cut))).toBeUndefined()
    expect(follow(Buffer.from([0x30, 0xc9, 0x01]))).toBe(204)
  }
  expect(followPackets(65_536)(Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff]))).toBe(Number.POSITIVE_INFINITY)
  expect(followPackets(65_536)(Buffer.from([0x30, 0x80, 0x80, 0x01]))).toBeUndefined()
})
