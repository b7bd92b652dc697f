import { driver, malformed, none, type Said, type Silent, type Told, text } from '#driver'

// A line per scan, with the AIM symbology identifier in front if the scanner sends it: `]C18018…`.
// Source: GS1 General Specifications (AI 8017, 8018, 8019), ISO/IEC 15424 identifiers; see NOTES.md.

/** Symbologies that carry GS1 element strings: GS1-128, GS1 DataMatrix, GS1 QR, GS1 DataBar. */
const gs1Carriers = new Set(['C1', 'd2', 'Q3', 'e0'])
/** Symbologies of home-grown labels: Code 128, Code 39, plain DataMatrix and QR. */
const plainCarriers = new Set(['C0', 'A0', 'd1', 'Q1'])

/** Separates elements (FNC1 as transmitted). */
const separator = '\x1d'

/** GS1 mod-10: weights 3, 1, 3, … from the left of the 17 digits before the check digit. */
function checkDigitFits(digits: string): boolean {
  const sum = [...digits.slice(0, 17)].reduce(
    (total, digit, at) => total + Number(digit) * (at % 2 === 0 ? 3 : 1),
    0,
  )
  return (10 - (sum % 10)) % 10 === Number(digits[17])
}

/** The service relation number of an element `8018…` or `8017…`, its check digit verified. */
function relation(element: string): { ai: string; number: string } | undefined {
  const found = /^(801[78])(\d*)$/.exec(element)
  if (found === null) return undefined
  const [, ai = '', number = ''] = found
  if (number.length !== 18) throw malformed(`${ai} does not have 18 digits`)
  if (!checkDigitFits(number)) throw malformed(`check digit of ${ai} does not fit`)
  return { ai, number }
}

function gs1(data: string): Said | Silent {
  const found = data.split(separator).map(relation)
  const residents = found.filter(one => one?.ai === '8018')
  const staff = found.filter(one => one?.ai === '8017')
  if (residents.length + staff.length > 1) throw malformed('label names more than one person')
  if (residents[0] !== undefined) return { scanned: residents[0].number }
  return { silent: staff.length === 1 ? 'staff' : 'no-value' }
}

/** Home-grown labels: no brackets and no control bytes, which are what a damaged identifier leaves. */
const label = /^[0-9A-Za-z#$%&*+./:=@_-](?:[0-9A-Za-z #$%&*+./:=@_-]{0,62}[0-9A-Za-z#$%&*+./:=@_-])?$/

function plain(data: string): Said | Silent {
  if (data === '') return { silent: 'no-value' }
  if (!label.test(data)) throw malformed('label is not plain text')
  if (/801[78]\d{18}/.test(data)) throw malformed('service relation number is not at its place')
  return { scanned: data }
}

export default driver({
  name: 'Barcode and 2D scanners for wristbands',
  revision: 1,
  options: {
    plain: {
      choices: [true, false],
      default: true,
      tells: 'false if all wristbands are GS1 (8018): then any other label is refused',
    },
    baud: { choices: [9600, 19200, 38400, 115200], default: 9600, tells: 'speed on RS-232; USB ignores it' },
    bell: {
      choices: [false, true],
      default: false,
      tells:
        'true if the scanner is set to "Beep on BEL": it beeps once taken and attributed, twice without, else thrice',
    },
  },
  link: ({ baud }) => ({ serial: { baud }, frame: { until: ['\r\n', '\r', '\n'], limit: 512 } }),
  check: none,
  says: [],
  // A scanner that waits for an acknowledgement sends the same code again (Honeywell 3310g manual).
  repeatMs: 2000,
  // One beep for every BEL that arrives (Honeywell 3310g User's Guide, "Beep on BEL").
  feedback: ({ bell }): Partial<Record<Told, string>> =>
    bell ? { attributed: '\x07', unattributed: '\x07\x07', refused: '\x07\x07\x07' } : {},
  listen: options => payload => {
    // Welch Allyn Spot Vital Signs LXi service manual p.39: STX SOH DC2 before the data.
    const data = text(payload).replace(/^\x02\x01\x12/, '')
    const prefix = /^\](..)/.exec(data)
    const carrier = prefix?.[1]
    if (carrier !== undefined && gs1Carriers.has(carrier)) return gs1(data.slice(3))
    if (carrier !== undefined && !plainCarriers.has(carrier))
      throw malformed('symbology is not one of wristbands')
    const rest = carrier === undefined ? data : data.slice(3)
    // Without an identifier, or as plain Code 128, a wristband still has its check digit.
    if (/^801[78]\d{18}(?:$|\x1d)/.test(rest)) return gs1(rest)
    if (!options.plain) throw malformed('label is not a GS1 wristband')
    return plain(rest)
  },
})
