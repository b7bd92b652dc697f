import { packetLimit } from '../../src/wire/packets.ts'

/** What a client said that a sink has to know of: MQTT 3.1.1, numbers of its sections behind each. */
export interface Heard {
  /** Bytes to answer with: CONNACK (3.2), SUBACK (3.9), PUBACK (3.4), PINGRESP (3.13). */
  answer: Uint8Array | undefined
  /** What was published (3.3). */
  payload: Uint8Array | undefined
}

const type = { connect: 1, publish: 3, subscribe: 8, ping: 12 } as const
const nothing: Heard = { answer: undefined, payload: undefined }

/** What one whole packet means; `flags` and `type` are of its first byte (2.2). */
function hear(first: number, body: Uint8Array): Heard {
  switch (first >> 4) {
    case type.connect:
      return { ...nothing, answer: Uint8Array.of(0x20, 2, 0, 0) }
    case type.subscribe:
      return { ...nothing, answer: Uint8Array.of(0x90, 3, body[0]!, body[1]!, 1) }
    case type.ping:
      return { ...nothing, answer: Uint8Array.of(0xd0, 0) }
    case type.publish: {
      const topicEnd = 2 + body[0]! * 256 + body[1]!
      if ((first & 0x06) === 0) return { ...nothing, payload: body.subarray(topicEnd) }
      const answer = Uint8Array.of(0x40, 2, body[topicEnd]!, body[topicEnd + 1]!)
      return { answer, payload: body.subarray(topicEnd + 2) }
    }
    default:
      return nothing
  }
}

/** The rest of a packet's first header: its length and where its body begins; undefined while that is not here (2.2.3). */
function lengthOf(bytes: Uint8Array): { body: number; at: number } | undefined {
  let body = 0
  for (let at = 1; at < Math.min(bytes.length, 5); at++) {
    body += (bytes[at]! & 0x7f) * 128 ** (at - 1)
    if (body > packetLimit) throw new Error(`a packet of ${body} bytes`)
    if ((bytes[at]! & 0x80) === 0) return { body, at: at + 1 }
  }
  return undefined
}

/** Cuts a stream of chunks into packets; for each chunk, what was said in those that are whole by now. */
export function hearPackets(): (chunk: Uint8Array) => Heard[] {
  let held: Uint8Array = new Uint8Array()
  return chunk => {
    let bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    const heard: Heard[] = []
    for (;;) {
      const length = lengthOf(bytes)
      if (length === undefined || bytes.length < length.at + length.body) break
      const end = length.at + length.body
      heard.push(hear(bytes[0]!, bytes.subarray(length.at, end)))
      bytes = bytes.subarray(end)
    }
    held = bytes
    return heard
  }
}

/** A PUBLISH of QoS 0 (3.3). */
export function publishPacket(topic: string, payload: Uint8Array): Buffer {
  const name = Buffer.from(topic)
  let length = 2 + name.length + payload.length
  const header = [0x30]
  do {
    header.push((length % 128) | (length >= 128 ? 0x80 : 0))
    length = Math.floor(length / 128)
  } while (length > 0)
  return Buffer.concat([
    Uint8Array.from(header),
    Uint8Array.of(name.length >> 8, name.length & 0xff),
    name,
    payload,
  ])
}
