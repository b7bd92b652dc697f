import { calendar, driver, fields, malformed, none, quantity, type Said, type Silent } from '#driver'

// HBP-9030 format 5: `2026,07,11,09,05,ID(20),error,SYS,DIA,PUL,movement`.
// HBP-9020 mode 5:   `bp,ID(20),2026/07/11,09:05,SYS,MAP,DIA,PUL,flag`, the mean between the two.
// Source: OMRON HBP-9030/9031C manual 2873643-0F p.20; a line of a real HBP-9020; see NOTES.md.

const id = '([0-9A-Za-z -]{20})'
const three = '(\\d{3}| {3})'
const format5 = new RegExp(
  `^(\\d{4}),(\\d\\d),(\\d\\d),(\\d\\d),(\\d\\d),${id},(\\d),${three},${three},${three},([01])$`,
)
const mode5 = new RegExp(
  `^bp,${id},(\\d{4})/(\\d\\d)/(\\d\\d),(\\d\\d):(\\d\\d),${three},${three},${three},${three},\\d$`,
)

/** What the monitor can measure (manual, specifications). Anything else is a damaged or foreign frame. */
const ranges = { systolic: [60, 260], diastolic: [30, 215], 'pulse-rate': [40, 180] } as const

function ranged(kind: keyof typeof ranges, digits: string): number {
  const [low, high] = ranges[kind]
  const value = Number(digits)
  if (value < low || value > high) throw malformed(`${kind} is outside what the monitor can measure`)
  return value
}

const blank = (word: string): boolean => word.trim() === ''

/** Whether the values stand blank, as after a failed measurement; half of them is neither one nor the other. */
function allBlank(values: readonly string[]): boolean {
  if (values.every(blank)) return true
  if (values.some(blank)) throw malformed('some values are blank')
  return false
}

function said(
  when: (string | undefined)[],
  name: string,
  values: Record<'systolic' | 'diastolic' | 'pulse-rate', string>,
  mean?: string,
): Said {
  const [year = '', month = '', day = '', hour = '', minute = ''] = when
  const deviceTime = calendar(year, month, day, hour, minute)
  if (deviceTime === undefined) throw malformed('there is no such date')
  const systolic = ranged('systolic', values.systolic)
  const diastolic = ranged('diastolic', values.diastolic)
  ranged('pulse-rate', values['pulse-rate'])
  const rising = mean === undefined ? [diastolic, systolic] : [diastolic, Number(mean), systolic]
  if (rising.some((pressure, at) => at > 0 && pressure <= rising[at - 1]!)) {
    throw malformed('pressures are not in their order')
  }
  const deviceId = name.trim()
  return {
    measured: {
      systolic: quantity(values.systolic, 'mm[Hg]'),
      diastolic: quantity(values.diastolic, 'mm[Hg]'),
      ...(mean !== undefined && { 'mean-arterial-pressure': quantity(mean, 'mm[Hg]') }),
      'pulse-rate': quantity(values['pulse-rate'], '/min'),
    },
    deviceTime,
    // All nines: no card was read.
    ...(!/^9*$/.test(deviceId) && { deviceId }),
  }
}

function format5Line(payload: Parameters<typeof fields>[0]): Said | Silent {
  const found = fields(payload, format5)
  const [name, error, systolic, diastolic, pulse] = found.slice(5) as [string, string, string, string, string]
  const blanks = allBlank([systolic, diastolic, pulse])
  if (error !== '0') return { silent: 'error' }
  if (blanks) return { silent: 'no-value' }
  return said(found.slice(0, 5), name, { systolic, diastolic, 'pulse-rate': pulse })
}

function mode5Line(payload: Parameters<typeof fields>[0]): Said | Silent {
  const found = fields(payload, mode5)
  const [systolic, mean, diastolic, pulse] = found.slice(6) as [string, string, string, string]
  if (allBlank([systolic, mean, diastolic, pulse])) return { silent: 'error' }
  return said(found.slice(1, 6), found[0]!, { systolic, diastolic, 'pulse-rate': pulse }, mean)
}

export default driver({
  name: 'Omron HBP-9030, HBP-9031C and HBP-9020 blood pressure monitors',
  revision: 1,
  options: {
    format: {
      choices: ['format-5', 'hbp9020-mode-5'],
      default: 'format-5',
      tells: 'what the monitor sends: item 32 of the HBP-9030 menu set to 5, or mode 5 of the HBP-9020',
    },
    baud: {
      choices: ['usual', 2400, 9600],
      default: 'usual',
      tells: 'speed on RS-232; usual: 9600 for the HBP-9030, 2400 for the HBP-9020; USB ignores it',
    },
  },
  link: ({ format, baud }) => ({
    serial: { baud: baud === 'usual' ? (format === 'format-5' ? 9600 : 2400) : baud },
    frame: { until: ['\r\n', '\r'], limit: 128 },
  }),
  check: none,
  says: ['systolic', 'diastolic', 'mean-arterial-pressure', 'pulse-rate'],
  listen: ({ format }) => (format === 'format-5' ? format5Line : mode5Line),
})
