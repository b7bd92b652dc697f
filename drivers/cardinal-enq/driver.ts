import {
  type Bytes,
  bytesOf,
  driver,
  fields,
  malformed,
  none,
  quantity,
  type Said,
  type Silence,
  type Silent,
} from '#driver'

// Asked with ENQ; answers sign, digits, unit, mode, status, CR: ` 0072.4kgG  ␍`, or `   72.4 KG G MO ␍`.
// Source: Detecto 758C manual 8555-M210-O1 p.32; Cardinal 185 p.25, 201 p.72, 758 p.7; see NOTES.md.

/** A blank stands between all fields (185) or between none (758C, 190, 201, 758). */
const record =
  /^(?=[ +-])( *[+-]? *\d+(?:\.\d+)?)( ?)(kg|KG|lb|LB|oz|OZ|st|ST|g|G)\2([GN])\2( {2}|OC|CZ|MO|ee|EE) ?$/

/** The sign, then five digits (758) to six digits and a point. Shorter: its beginning was not heard. */
const [narrow, wide] = [6, 8]

const worthless: Record<string, Silence> = { OC: 'overload', ee: 'no-value', EE: 'no-value' }

const units = { kg: 'kg', lb: 'lb', oz: 'oz', st: 'st', g: 'g' } as const

function understand(payload: Bytes): Said | Silent {
  const [weight, , unit, , status] = fields(payload, record) as [string, string, string, string, string]
  if (weight.length < narrow || weight.length > wide) throw malformed('weight has not its width')
  const silent = worthless[status]
  if (silent !== undefined) return { silent }
  const value = quantity(weight.replaceAll(' ', ''), units[unit.toLowerCase() as keyof typeof units])
  if (status === 'MO') return { silent: 'unstable', passing: value }
  if (!/[1-9]/.test(weight)) return { silent: 'zero' }
  if (weight.includes('-')) return { silent: 'negative' }
  if (status === 'CZ') throw malformed('centre of zero with a weight')
  return { measured: { 'body-weight': value } }
}

export default driver({
  name: 'Cardinal and Detecto indicators that answer ENQ (758C, 758, 185, 190, 201)',
  revision: 1,
  // The records are built from the makers' grammar: no maker prints one, and none of a device was seen.
  experimental: true,
  options: {
    mode: {
      choices: ['ask', 'continuous'],
      default: 'ask',
      tells: 'continuous: the indicator is set to send by itself and does not answer; nothing is asked then',
    },
    baud: {
      choices: [9600, 1200, 2400, 4800, 19200],
      default: 9600,
      tells: 'speed as set in the menu of the indicator; 8 data bits, no parity',
    },
  },
  link: ({ baud }) => ({ serial: { baud }, frame: { until: '\r', limit: 32 } }),
  check: none,
  says: ['body-weight'],
  settle: { kind: 'body-weight', emptyBelow: 0.5, movedBy: 1 },
  everyMs: ({ mode }) => (mode === 'ask' ? 1000 : 0),
  answerMs: 500,
  talk: () =>
    function* () {
      yield { send: bytesOf('\x05') }
      yield understand(yield 'hear')
    },
  // Continuous output is the same record; so is an answer that comes late.
  listen: () => understand,
})
