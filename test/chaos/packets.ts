/** Types of MQTT packets that somebody in the middle treats differently (MQTT 3.1.1, 2.2.1). */
export const kinds = { connect: 1, publish: 3, puback: 4 } as const

/** One MQTT packet, byte by byte as it came. */
export interface Packet {
  kind: number
  bytes: Buffer
  /** Packet identifier of a QoS 1 PUBLISH or of a PUBACK; 0 where there is none. */
  id: number
}

/** Where the body of the packet begins that starts at `from`, and how long it is; undefined until that is known. */
function extentOf(bytes: Buffer, from: number): { body: number; length: number } | undefined {
  let length = 0
  for (let digit = 0; digit < 4; digit++) {
    const byte = bytes[from + 1 + digit]
    if (byte === undefined) return undefined
    length += (byte & 0x7f) * 128 ** digit
    if ((byte & 0x80) === 0) return { body: from + 2 + digit, length }
  }
  throw new Error('a remaining length of more than four bytes (MQTT 3.1.1, 2.2.3)')
}

function idOf(kind: number, flags: number, body: Buffer): number {
  if (kind === kinds.puback) return body.readUInt16BE(0)
  // the identifier stands behind the topic, where the quality of service is not 0 (3.3.2.2)
  const isCounted = kind === kinds.publish && (flags & 0b0110) !== 0
  return isCounted ? body.readUInt16BE(2 + body.readUInt16BE(0)) : 0
}

/** Cuts a stream of chunks into packets and hands each on as soon as it is whole. */
export function cutPackets(take: (packet: Packet) => void): (chunk: Buffer) => void {
  let held: Buffer = Buffer.alloc(0)
  return chunk => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    let from = 0
    for (let at = extentOf(held, from); at !== undefined; at = extentOf(held, from)) {
      const end = at.body + at.length
      if (end > held.length) break
      const kind = held[from]! >> 4
      take({
        kind,
        bytes: held.subarray(from, end),
        id: idOf(kind, held[from]! & 0x0f, held.subarray(at.body, end)),
      })
      from = end
    }
    held = held.subarray(from)
  }
}

/** PUBACK for a packet identifier (MQTT 3.1.1, 3.4). */
export const pubackFor = (id: number): Buffer => Buffer.from([kinds.puback << 4, 2, id >> 8, id & 0xff])
