import {
  type Bytes,
  bytesOf,
  type Check,
  calendar,
  closing,
  driver,
  malformed,
  none,
  quantity,
  type Said,
  type Silent,
  sum8,
  text,
} from '#driver'

// DF13: a spot record, 00 02 00 0D 00 0E + 14 bytes + sum + 03. DF8: 4 bytes a second, the first with bit 7.
// DF2: packets of 25 frames of 5 bytes, 01 status pleth value sum, three a second.
// Source: Nonin Onyx II 9560 Technical Specifications p.4-7, 16; see NOTES.md.

/** Missing data (all formats): pulse rate 511, SpO2 127. */
function valuesOf(spo2: number, pulse: number): Said | Silent {
  if (spo2 === 127 || pulse === 511) return { silent: 'no-value' }
  if (spo2 < 1 || spo2 > 100) throw malformed('saturation is outside what the oximeter can show')
  if (pulse < 1 || pulse > 511) throw malformed('pulse rate is outside what the oximeter can show')
  return { measured: { spo2: quantity(String(spo2), '%'), 'pulse-rate': quantity(String(pulse), '/min') } }
}

// Data format 13

const [ack, nak] = ['\x06', '\x15']
const head = [0x00, 0x02, 0x00, 0x0d, 0x00]
/** Selects data format 13; the oximeter hears it in the first 5 s of a connection. */
const select = bytesOf('\x02\x70\x02\x02\x0d\x03')

/** A record, or one byte that answers the selection. The data may grow in later models, never shrink. */
function recordLength(begun: Bytes): number | undefined {
  if (begun[0] === 0x06 || begun[0] === 0x15) return 1
  if (head.some((byte, at) => at < begun.length && begun[at] !== byte)) return 0
  const data = begun[head.length]
  if (data === undefined) return undefined
  return data < 14 || data > 64 ? 0 : head.length + 1 + data + 2
}

const recordCheck = closing({ name: 'sum', width: 1, from: 6, of: sum8, after: '\x03', bare: [ack, nak] })

/** Two decimal digits; what is no BCD gives no calendar date later. */
const bcd = (byte: number): string => byte.toString(16).padStart(2, '0')

function record(payload: Bytes): Said | Silent {
  if (payload.length === 1) return { silent: text(payload) === ack ? 'ack' : 'error' }
  const [century, year, month, day, hour, minute, second] = Array.from(payload.subarray(6, 13), bcd)
  const [high, low, pulseHigh, pulseLow, , spo2] = payload.subarray(14) as unknown as number[]
  if ((high! & 0x01) !== 0) return { silent: 'no-value' } // NOMS: no measurement
  const said = valuesOf(spo2!, pulseHigh! * 256 + pulseLow!)
  if ('silent' in said) return said
  if ((high! & 0x02) === 0) return { silent: 'unstable' } // SPA: SmartPoint has not found it good
  const deviceTime = calendar(`${century}${year}`, month!, day!, hour!, minute!, second)
  const stored = (low! & 0x10) !== 0 // MEM
  return { ...said, ...(deviceTime !== undefined && { deviceTime }), ...(stored && { stored }) }
}

// Data format 8

function second8Length(begun: Bytes): number | undefined {
  if (begun.some((byte, at) => (byte & 0x80) !== (at === 0 ? 0x80 : 0))) return 0
  return begun.length < 4 ? undefined : 4
}

function second8(payload: Bytes): Said | Silent {
  const [status, pulse, spo2, status2] = payload as unknown as [number, number, number, number]
  // Sensor not connected, out of track, sensor alarm: the display holds its last values for 10 s.
  if ((status & 0x60) !== 0 || (status2 & 0x08) !== 0) return { silent: 'no-value' }
  const said = valuesOf(spo2, (status & 0x03) * 128 + pulse)
  return 'measured' in said && (status & 0x04) !== 0 ? { silent: 'unstable' } : said
}

// Data format 2

/** From the frame with SYNC on; the beginning of the next frame tells it from a byte that looks like it. */
function packetLength(begun: Bytes): number | undefined {
  if (begun[0] !== 0x01) return 0
  if (begun.length > 1 && (begun[1]! & 0x81) !== 0x81) return 0
  if (begun.length > 5 && begun[5] !== 0x01) return 0
  if (begun.length > 6 && (begun[6]! & 0x81) !== 0x80) return 0
  return begun.length < 7 ? undefined : 125
}

const frameCheck = closing({ name: 'sum', width: 1, of: sum8 })
const framesOf = (packet: Bytes): Bytes[] =>
  Array.from({ length: packet.length / 5 }, (_, at) => packet.subarray(at * 5, at * 5 + 5))

/** Each of the 25 frames has its own sum. The payload is the frames without it. */
const packetCheck: Check = {
  ...frameCheck,
  open: packet => Uint8Array.from(framesOf(packet).flatMap(frame => [...frameCheck.open(frame, 0)])),
  seal: packet => Uint8Array.from(framesOf(packet).flatMap(frame => [...frameCheck.seal(frame, 0)])),
}

function packet(payload: Bytes): Said | Silent {
  let status = 0
  for (let at = 0; at < payload.length; at += 4) {
    const begins = payload[at] === 0x01 && (payload[at + 1]! & 0x81) === (at === 0 ? 0x81 : 0x80)
    if (!begins) throw malformed('packet does not have 25 frames')
    status |= payload[at + 1]!
  }
  // Sensor not connected, out of track, sensor alarm.
  if ((status & 0x58) !== 0) return { silent: 'no-value' }
  const value = (frame: number): number => payload[frame * 4 - 1]!
  // The averages of frames 1 to 3, not those "for display" further on, which outlast the finger.
  const said = valuesOf(value(3), (value(1) & 0x03) * 128 + (value(2) & 0x7f))
  return 'measured' in said && (status & 0x20) !== 0 ? { silent: 'unstable' } : said
}

const formats = {
  df13: { lengthOf: recordLength, check: recordCheck, meaning: record },
  df8: { lengthOf: second8Length, check: none, meaning: second8 },
  df2: { lengthOf: packetLength, check: packetCheck, meaning: packet },
} as const

export default driver({
  name: 'Nonin oximeters with serial data formats 13, 8 and 2',
  revision: 1,
  experimental: true,
  options: {
    format: {
      choices: ['df13', 'df8', 'df2'],
      default: 'df13',
      tells: 'what the oximeter sends: df13 spot records, df8 a stream each second, df2 a stream with sums',
    },
  },
  link: ({ format }) => ({
    serial: { baud: 9600 },
    frame: { lengthOf: formats[format].lengthOf, limit: 128 },
  }),
  check: ({ format }) => formats[format].check,
  says: ['spo2', 'pulse-rate'],
  settle: ({ format }) => (format === 'df13' ? 'each' : { kind: 'spo2', goodMs: 10_000, breakMs: 5000 }),
  // Once when the line is there, which for an oximeter behind rfcomm is the connection; hourly does no harm.
  everyMs: ({ format }) => (format === 'df13' ? 3_600_000 : 0),
  answerMs: 1000,
  talk: () =>
    function* () {
      yield { send: select }
      yield record(yield 'hear')
    },
  listen: ({ format }) => formats[format].meaning,
})
