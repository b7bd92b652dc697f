/** Largest MQTT packet that either end takes, bytes (WIRE 1.5). */
export const packetLimit = 65_536

/**
 * Follows the packets in a stream of chunks by their announced lengths (MQTT 3.1.1, 2.2.3). Answers, for
 * each chunk, the length of the first packet in it that is longer than `limit`, Infinity for a length that
 * is none, or undefined while all is well. It holds no bytes: a packet is known before its body came.
 */
export function followPackets(limit: number): (chunk: Uint8Array) => number | undefined {
  let body = 0 // bytes of the current packet still to come
  let header = 0 // bytes of the current fixed header seen
  let length = 0
  return chunk => {
    for (let at = 0; at < chunk.length; at++) {
      if (body > 0) {
        const skipped = Math.min(body, chunk.length - at)
        body -= skipped
        at += skipped - 1
        continue
      }
      const byte = chunk[at]!
      header++
      if (header === 1) {
        length = 0
        continue
      }
      length += (byte & 0x7f) * 128 ** (header - 2)
      if ((byte & 0x80) !== 0) {
        if (header === 5) return Number.POSITIVE_INFINITY
        continue
      }
      if (header + length > limit) return header + length
      body = length
      header = 0
    }
    return undefined
  }
}
