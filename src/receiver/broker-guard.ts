import { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'

/** Largest MQTT packet that the broker takes, bytes (WIRE 1.5). */
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

/**
 * The socket as aedes may read it. aedes itself gathers what a packet announces, up to 256 MiB, before it
 * asks anybody; here such a packet closes the connection before a byte of it is passed on.
 */
export function guard(socket: TLSSocket, refuse: (length: number) => void): Duplex {
  const tooLong = followPackets(packetLimit)
  const guarded = new Duplex({
    read: () => {
      socket.resume()
    },
    write: (chunk: Uint8Array, _encoding, done) => {
      socket.write(chunk, done)
    },
    // what one turn of the loop wrote leaves in one TLS record
    writev: (chunks, done) => {
      socket.write(Buffer.concat(chunks.map(({ chunk }) => chunk as Uint8Array)), done)
    },
    final: done => {
      socket.end(done)
    },
    destroy: (error, done) => {
      socket.destroy()
      done(error)
    },
  })
  socket.on('data', (chunk: Buffer) => {
    const length = tooLong(chunk)
    if (length === undefined) {
      if (!guarded.push(chunk)) socket.pause()
      return
    }
    refuse(length)
    guarded.destroy()
  })
  socket.on('end', () => guarded.push(null))
  socket.on('error', error => guarded.destroy(error))
  socket.on('close', () => guarded.destroy())
  socket.setNoDelay(true)
  return guarded
}
