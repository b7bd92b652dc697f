import { createHash } from 'node:crypto'
import { expect, test } from '@jest/globals'
import { hearPackets, publishPacket } from '../../scripts/measure/mqtt.ts'
import { sinkChains } from '../../scripts/measure/sink-chains.ts'

const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString('hex')

/** All that is heard in a stream cut into pieces of so many bytes. */
function heardIn(stream: Uint8Array, pieces: number): [string | undefined, string | undefined][] {
  const hear = hearPackets()
  const all: ReturnType<typeof hear> = []
  for (let at = 0; at < stream.length; at += pieces) all.push(...hear(stream.subarray(at, at + pieces)))
  return all.map(({ answer, payload }) => [text(answer), text(payload)])
}

// MQTT 3.1.1, written by hand: CONNECT, SUBSCRIBE 'd' as packet 7, PUBLISH 'u' QoS 1 as packet 258, PUBLISH QoS 0, PINGREQ
const said = Buffer.from(
  '100d' +
    '00044d515454' +
    '0402001e' +
    '000161' +
    '8206' +
    '0007' +
    '00016401' +
    '3208' +
    '000175' +
    '0102' +
    'aabbcc' +
    '3005' +
    '000175' +
    'ddee' +
    'c000',
  'hex',
)

test('a client’s packets are answered, wherever the stream is cut', () => {
  const expected = [
    ['20020000', undefined],
    ['9003000701', undefined],
    ['40020102', 'aabbcc'],
    [undefined, 'ddee'],
    ['d000', undefined],
  ]
  for (const pieces of [1, 2, 3, 7, said.length]) expect(heardIn(said, pieces)).toEqual(expected)
})

test('a packet that is longer than either end takes is refused', () => {
  // remaining length 65,537: 81 80 04 (MQTT 3.1.1, 2.2.3)
  expect(() => hearPackets()(Buffer.from('30818004', 'hex'))).toThrow('a packet of 65537 bytes')
})

test('what goes down has the length that MQTT writes', () => {
  // 2 bytes of length and 1 of topic, then the payload: 127 fits one byte, 128 is 80 01
  expect(text(publishPacket('d', Buffer.alloc(124)).subarray(0, 5))).toBe('307f000164')
  expect(text(publishPacket('d', Buffer.alloc(125)).subarray(0, 6))).toBe('308001000164')
})

const sha256 = (...parts: Uint8Array[]): Buffer =>
  parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest()

test('heads are those of WIRE 5.1 and 5.2, and what does not hang together is not receipted', () => {
  // base32 of 16 zero bytes is 26 letters a
  const zero = 'a'.repeat(26)
  const epoch = '0102030405060708'
  const owner = { gateway: zero, server: zero, kid: '1122334455667788' }
  const chains = sinkChains(() => owner)
  const [one, two, three] = [Buffer.from('one'), Buffer.from('two'), Buffer.from('three')]
  const id = Buffer.alloc(16)
  const first = sha256(
    Buffer.from('VG1 epoch'),
    id,
    Buffer.from(epoch, 'hex'),
    Buffer.from(owner.kid, 'hex'),
    id,
  )
  expect(chains.placeOf(epoch)).toEqual({ epoch, seq: 0, head: first.toString('hex') })
  expect(chains.take(epoch, 1, one)).toBe(true)
  const second = sha256(Buffer.from('VG1 chain'), first, sha256(one))
  expect(chains.placeOf(epoch)).toEqual({ epoch, seq: 1, head: second.toString('hex') })
  // 3 before 2
  expect(chains.take(epoch, 3, three)).toBe(false)
  expect(chains.placeOf(epoch).seq).toBe(1)
  expect(chains.take(epoch, 2, two)).toBe(true)
  expect(chains.take(epoch, 3, three)).toBe(true)
  // once more
  expect(chains.take(epoch, 2, two)).toBe(true)
  expect(chains.placeOf(epoch).seq).toBe(3)
  expect(chains.placeOf(epoch, 1)).toEqual({ epoch, seq: 1, head: second.toString('hex') })
  expect(chains.seen).toEqual({ rows: 3, repeated: 1, disordered: 1 })
})
