import { driver, fields, malformed, none, quantity, type Said, type Silent } from '#driver'

// A packet is ESC R, fields of ESC, letter and text, and ESC E: `␛R␛I1234567890␛W184.5␛H84.0␛B24.1␛T0.0␛Nm␛E`.
// Source: Pelstar "Communication Protocols" REV20230711; Health o meter 1100KL manual p.33-35; see NOTES.md.

/** From the last beginning: what stands before it is noise or a packet cut off. "L" models go on with `6R`. */
const packet = /^[\s\S]*[\x1b6]R(\x1b[\s\S]*)$/

const shapes = new Map([
  ['I', /^[0-9A-Za-z]{1,10}$/], // id
  ['W', /^-?\d{1,4}\.\d{1,3}$/], // weight
  ['H', /^\d{1,4}(?:\.\d{1,3})?$/], // height
  ['B', /^\d{1,4}(?:\.\d{1,3})?$/], // BMI
  ['T', /^-?\d{1,4}(?:\.\d{1,3})?$/], // tare
  ['N', /^[mc]$/], // units: metric or constitutional
])

function fieldsOf(rest: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const word of rest.split('\x1b').slice(1)) {
    const [name, value] = [word.slice(0, 1), word.slice(1)]
    if (shapes.get(name)?.test(value) !== true) throw malformed('field is none of a reading')
    if (found.has(name)) throw malformed(`field ${name} stands twice`)
    found.set(name, value)
  }
  return found
}

const zeros = /^[0.]+$/
/** A height, BMI or id of zeros was not measured, not entered. */
const given = (word: string | undefined): word is string => word !== undefined && !zeros.test(word)

function understand(found: Map<string, string>, tall: boolean): Said | Silent {
  const [weight, units] = [found.get('W'), found.get('N')]
  if (weight === undefined || units === undefined) throw malformed('packet has no weight or no units')
  // Rice Lake 160-10 manual: 999.99 is over or under the range, and does not tell which.
  if (/^0?999\.9+$/.test(weight)) return { silent: 'overload' }
  if (zeros.test(weight)) return { silent: 'zero' }
  if (weight.startsWith('-')) return { silent: 'negative' }
  const metric = units === 'm'
  const [id, height, bmi] = [found.get('I'), found.get('H'), found.get('B')]
  return {
    measured: {
      'body-weight': quantity(weight, metric ? 'kg' : 'lb'),
      ...(tall && given(height) && { 'body-height': quantity(height, metric ? 'cm' : 'in') }),
      ...(tall && given(bmi) && { bmi: quantity(bmi, 'kg/m2') }),
    },
    ...(given(id) && { deviceId: id }),
  }
}

/** A scale that streams zeros streams unlocked weights too (597KL, 599KL, 752KL with firmware 3.1.12). */
function lockedOnly(): (heard: Said | Silent) => Said | Silent {
  let empty = 0
  return heard => {
    if ('silent' in heard) {
      if (heard.silent === 'zero') empty++
      return heard
    }
    if (empty >= 2) throw malformed('scale sends zeros, so unlocked weights too: its firmware is too old')
    empty = 0
    return heard
  }
}

/** The key UNITS makes an "L" model send its last weight again in the other unit. */
function newOnly(): (heard: Said | Silent, units: string) => Said | Silent {
  let before = { weight: Number.NaN, units: '' }
  return (heard, units) => {
    const weight = 'measured' in heard ? heard.measured['body-weight'] : undefined
    if (weight === undefined) return heard
    const now = { weight: weight.n / 10 ** weight.s, units }
    const same = now.units !== before.units && Math.abs(now.weight - before.weight) < 0.1
    before = now
    return same ? { silent: 'repeat' } : heard
  }
}

export default driver({
  name: 'Health o meter Professional scales (ESC protocol)',
  revision: 1,
  options: {
    mode: {
      choices: ['continuous', 'once'],
      default: 'continuous',
      tells:
        'continuous: the scale repeats its locked weight, which counts once; once: it sends each weight once',
    },
    height: {
      choices: [true, false],
      default: true,
      tells:
        'false: height and BMI are not read (a 600KL with firmware 3.2.02 sends heights nobody measured)',
    },
  },
  link: { serial: { baud: 9600 }, frame: { until: '\x1bE', limit: 128 } },
  signs: [{ usb: '10c4:ea60', model: 'Health o meter Professional scale' }],
  check: none,
  says: ['body-weight', 'body-height', 'bmi'],
  // One packet a second as long as the weight is locked, then silence. A packet alone is RECALL or UNITS, and old.
  settle: ({ mode }) => (mode === 'once' ? 'each' : { kind: 'body-weight', goodMs: 1500, breakMs: 3000 }),
  // RECALL sends the last weight again.
  repeatMs: ({ mode }) => (mode === 'once' ? 180_000 : 0),
  listen: ({ mode, height }) => {
    const locked = lockedOnly()
    const fresh = newOnly()
    return payload => {
      const [rest = ''] = fields(payload, packet)
      const found = fieldsOf(rest)
      const heard = understand(found, height)
      return mode === 'once' ? fresh(heard, found.get('N')!) : locked(heard)
    }
  },
})
