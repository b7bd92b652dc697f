import {
  type Bytes,
  calendar,
  closing,
  driver,
  malformed,
  quantity,
  type Said,
  type Silent,
  text,
  xor8,
} from '#driver'

// SYN SYN SOH 00 STX, fields with RS between, ETX, BCC:
// `TM2655␞2606041532␞A␞BM␞E00␞S116␞M 86␞D 60␞P 89␞I00␞L143`.
// Source: two public programs that drive the TM-2655, a quoted record of one; see NOTES.md.

const header = '\x16\x16\x0100'
const ack = `${header}\x06`
const command = (word: string): string => {
  const guarded = `${header.slice(2)}\x02${word}\x03`
  return `\x16\x16${guarded}${String.fromCharCode(...xor8(Buffer.from(guarded, 'latin1')))}`
}

/**
 * The length of the frame: exactly one byte follows the ETX, and it may be 03 itself, so a search for the last
 * 03 would go wrong. Only printable bytes and RS stand in a frame: another one means that it was cut off.
 */
function lengthOf(begun: Bytes): number | undefined {
  const kind = begun[header.length]
  if (kind === undefined) return undefined
  if (kind === 0x06) return ack.length
  if (kind !== 0x02) return 0
  const body = begun.subarray(header.length + 1)
  const end = body.indexOf(0x03)
  if (end >= 0) return header.length + 1 + end + 2
  const whole = body.every(byte => byte === 0x1e || (byte >= 0x20 && byte <= 0x7e))
  return whole ? undefined : 0
}

/** Three characters after the letter of the field: `S116`, `M 86`; undefined where they are blank or zero. */
function digitsOf(letter: string, word: string): string | undefined {
  if (word[0] !== letter || !/^(?: {3}| *\d+)$/.test(word.slice(1)) || word.length !== 4) {
    throw malformed(`field ${letter} is not its letter and three digits`)
  }
  return /[1-9]/.test(word) ? word.slice(1).trim() : undefined
}

function timeOf(word: string): string | undefined {
  if (!/^\d{10}$/.test(word)) throw malformed('time is not ten digits')
  const [year, month, day, hour, minute] = word.match(/\d\d/g) as [string, string, string, string, string]
  return calendar(`20${year}`, month, day, hour, minute)
}

function understand(line: string): Said | Silent {
  const words = line.slice(header.length + 1, -1).split('\x1e')
  if (words.length < 9) throw malformed('fields are missing')
  const [model, time, , , error, ...values] = words as [string, string, string, string, string, ...string[]]
  if (!/^TM-?26\d\d[A-Z]?$/.test(model)) throw malformed('model is none of this format')
  if (!/^E\d{2,3}$/.test(error)) throw malformed('field E is no error code')
  const deviceTime = timeOf(time)
  // What the values hold after an error is not known: nothing of them is looked at.
  if (/[1-9]/.test(error)) return { silent: 'error' }
  const given = ['S', 'M', 'D', 'P'].map((letter, at) => digitsOf(letter, values[at]!))
  if (given.every(value => value === undefined)) return { silent: 'no-value' }
  if (given.some(value => value === undefined)) throw malformed('some values are blank')
  const [systolic, mean, diastolic, pulse] = given as [string, string, string, string]
  if (!(Number(diastolic) < Number(mean) && Number(mean) < Number(systolic))) {
    throw malformed('pressures are not in their order')
  }
  return {
    measured: {
      systolic: quantity(systolic, 'mm[Hg]'),
      diastolic: quantity(diastolic, 'mm[Hg]'),
      'mean-arterial-pressure': quantity(mean, 'mm[Hg]'),
      'pulse-rate': quantity(pulse, '/min'),
    },
    ...(deviceTime !== undefined && { deviceTime }),
  }
}

export default driver({
  name: 'A&D TM-2655 and TM-2657 blood pressure monitors (RB format)',
  revision: 1,
  // The answer was put together from three sources; no bytes of a monitor were seen.
  experimental: true,
  options: {
    start: {
      choices: ['by-hand', 'on-scan'],
      default: 'by-hand',
      tells:
        'on-scan: each scan of a wristband at this station INFLATES THE CUFF at once, without asking; only where the arm is in before the scan',
    },
    baud: { choices: [2400, 9600], default: 2400, tells: 'speed as set on the monitor' },
  },
  link: ({ baud }) => ({ serial: { baud }, frame: { from: header, lengthOf, limit: 128 } }),
  // From SOH to ETX, both included: it fits all commands that are published.
  check: closing({ name: 'bcc', width: 1, from: 2, of: xor8, bare: [ack] }),
  says: ['systolic', 'diastolic', 'mean-arterial-pressure', 'pulse-rate'],
  feedback: ({ start }) => (start === 'on-scan' ? { scanned: command('ST') } : {}),
  listen: () => {
    let before = ''
    return payload => {
      const line = text(payload)
      if (line === ack) return { silent: 'ack' }
      const heard = understand(line)
      if (!('measured' in heard)) return heard
      // The same values of the same minute, to the byte: the monitor sent its last result again.
      const again = line === before && heard.deviceTime !== undefined
      before = line
      return again ? { silent: 'repeat' } : heard
    }
  },
})
