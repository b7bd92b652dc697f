import {
  type Bytes,
  bytesOf,
  closing,
  driver,
  fields,
  malformed,
  quantity,
  type Said,
  type Silent,
} from '#driver'

// ` NA1000012120080093%]` and CR: command, status at 3, age counter at 6, SYS at 10, DIA at 13, MAP at 16, and two
// check characters. Source: one public program that drives a Pro 200; its replies are reconstructed; see NOTES.md.

/** The sum of (code - 1Fh), wrapped above FFFh, as two printable characters. It fits all published commands. */
function twoCharacters(counted: Bytes): Bytes {
  const sum = counted.reduce((before, byte) => {
    const next = before + byte - 0x1f
    return next > 0xfff ? next - 0xfff : next
  }, 0)
  return Uint8Array.of(0x20 + (sum >> 6), 0x20 + (sum & 0x3f))
}

/** A result is new for so many counts; one that is older at first sight was made while nobody listened. */
const freshTo = 60

/** Whether the counter starts again after 9999 is not known: from here on a fall alone proves nothing. */
const mayRunOver = 9000

function pressuresOf(systolic: string, diastolic: string, mean: string): Said {
  if (!(Number(diastolic) < Number(mean) && Number(mean) < Number(systolic))) {
    throw malformed('pressures are not in their order')
  }
  // Wider than any cuff monitor measures; the maker's own range was not at hand. Small numbers may be kPa.
  if (Number(diastolic) < 10 || Number(systolic) < 30 || Number(systolic) > 300) {
    throw malformed('pressures are outside what a monitor can measure')
  }
  return {
    measured: {
      systolic: quantity(systolic, 'mm[Hg]'),
      diastolic: quantity(diastolic, 'mm[Hg]'),
      'mean-arterial-pressure': quantity(mean, 'mm[Hg]'),
    },
  }
}

/** The monitor gives its last result for ever: only one whose age fell is new, and not the first that is seen. */
function newOnly(): (payload: Bytes) => Said | Silent {
  let before: { age: number; pressures: string } | undefined
  return payload => {
    const [status, rest = ''] = fields(payload, /^ NA(\d)([ -~]*)$/)
    // What stands in the other columns then is not known: nothing of them is looked at.
    if (status !== '1') return { silent: Number(status) > 2 ? 'error' : 'no-value' }
    const found = fields(bytesOf(rest), /^[ -~]{2}(\d{4})(\d{3})(\d{3})(\d{3})[ -~]*$/)
    const [counted, systolic, diastolic, mean] = found as [string, string, string, string]
    const heard = pressuresOf(systolic, diastolic, mean)
    const age = Number(counted)
    const pressures = systolic + diastolic + mean
    const last = before
    before = { age, pressures }
    if (last === undefined || age >= last.age || age > freshTo) return { silent: 'stale' }
    if (last.age >= mayRunOver && pressures === last.pressures) return { silent: 'stale' }
    return heard
  }
}

export default driver({
  name: 'GE DINAMAP Pro 100-400, ProCare and Carescape V100 blood pressure monitors (host ASCII)',
  revision: 1,
  // Columns are those of one public program, the rest of the answer is assumed; no bytes of a monitor were seen.
  experimental: true,
  link: { serial: { baud: 9600 }, frame: { until: '\r', limit: 64 } },
  check: closing({ name: 'sum', width: 2, of: twoCharacters }),
  says: ['systolic', 'diastolic', 'mean-arterial-pressure'],
  everyMs: 2000,
  answerMs: 500,
  talk: () => {
    const understand = newOnly()
    return function* () {
      yield { send: bytesOf(' NA!2\r') }
      yield understand(yield 'hear')
    }
  },
})
