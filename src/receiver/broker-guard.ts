import { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { followPackets, packetLimit } from '../wire/packets.ts'
import type { RefusalReason } from './broker-refusals.ts'

/**
 * Bytes that may wait for a gateway to read them. An honest one never comes near: it has at most 1024 rows on
 * the way until it heard of them, and a receipt is shorter than 1 KiB.
 */
const unreadLimit = 1_048_576

/** Bytes of a gateway that aedes takes at a time, about: small, so that many take turns. */
const turnBytes = 16_384

/**
 * The socket as aedes may use it. aedes itself gathers what a packet announces, up to 256 MiB, before it
 * asks anybody; here such a packet closes the connection before a byte of it is passed on. And aedes waits
 * for whoever does not read, with all others behind him; here nobody is waited for: what does not fit is
 * the end of the connection, and an answer that gets lost is asked for again (WIRE 7.10).
 */
export function guard(socket: TLSSocket, refuse: (reason: RefusalReason, detail: string) => void): Duplex {
  const tooLong = followPackets(packetLimit)

  const cut = (reason: RefusalReason, detail: number): void => {
    refuse(reason, String(detail))
    guarded.destroy()
  }
  const send = (chunk: Uint8Array, done: () => void): void => {
    if (socket.writableLength > unreadLimit) cut('reads-too-slowly', socket.writableLength)
    else socket.write(chunk)
    done()
  }

  const guarded: Duplex = new Duplex({
    readableHighWaterMark: turnBytes,
    read: () => {
      socket.resume()
    },
    write: (chunk: Uint8Array, _encoding, done) => send(chunk, done),
    // what one turn of the loop wrote leaves in one TLS record
    writev: (chunks, done) => send(Buffer.concat(chunks.map(({ chunk }) => chunk as Uint8Array)), done),
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
    if (length !== undefined) cut('packet-too-long', length)
    else if (!guarded.push(chunk)) socket.pause()
  })
  socket.on('end', () => guarded.push(null))
  socket.on('error', error => guarded.destroy(error))
  socket.on('close', () => guarded.destroy())
  socket.setNoDelay(true)
  return guarded
}
