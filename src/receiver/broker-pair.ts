import { Duplex } from 'node:stream'

/** One end: its stream, and the way in for what the other end writes. */
interface End {
  stream: Duplex
  take(chunk: Uint8Array, done: () => void): void
}

function makeEnd(other: () => End): End {
  let release: (() => void) | undefined
  const stream = new Duplex({
    read: () => {
      const done = release
      release = undefined
      done?.()
    },
    write: (chunk: Uint8Array, _encoding, done) => other().take(chunk, done),
    writev: (chunks, done) =>
      other().take(Buffer.concat(chunks.map(({ chunk }) => chunk as Uint8Array)), done),
    final: done => {
      other().stream.push(null)
      done()
    },
    destroy: (error, done) => {
      other().stream.destroy()
      done(error)
    },
  })
  return {
    stream,
    take: (chunk, done) => {
      if (stream.push(chunk)) done()
      else release = done
    },
  }
}

/**
 * Two ends of a connection within the process. What one turn of the loop writes on one end comes out of the
 * other as one chunk; when that other end is not read, the writer is not called back, as with a socket. An end
 * that is destroyed destroys the other, which node's own duplexPair leaves alone.
 */
export function connectEnds(): [Duplex, Duplex] {
  const one = makeEnd(() => another)
  const another = makeEnd(() => one)
  return [one.stream, another.stream]
}
