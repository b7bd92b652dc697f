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
  text,
} from '#driver'

// Asked with SI; answers id, status, weight, unit: `S S      72.40 kg`, `S D` while it moves.
// Source: Mettler-Toledo operating instructions AT p.87, GA42 p.31, JS p.30; see NOTES.md.

/** The weight is 10 characters, right-aligned. */
const weightLine = /^S ([SD]) (?=.{10} )( *-?\d+(?:\.\d+)?) ([A-Za-z%]+) *$/

/** Whole lines that are no weight. */
const others: Record<string, Silence> = {
  'S +': 'overload',
  'S -': 'underload',
  'S I': 'no-value', // not executable now: busy, or it waited in vain for a stable weight
  'S L': 'error', // logically wrong
  ES: 'error', // syntax
  ET: 'error', // transmission
  EL: 'error', // logically wrong
}

const units = new Set(['kg', 'g', 'lb', 'oz'] as const)
type WeightUnit = typeof units extends Set<infer U> ? U : never
const isUnit = (word: string): word is WeightUnit => units.has(word as WeightUnit)

function understand(payload: Bytes): Said | Silent {
  const line = text(payload)
  if (Object.hasOwn(others, line)) return { silent: others[line]! }
  // Who it is: `I4 A "serial"` comes at power-on; `B` says that more lines follow.
  if (/^I\d{1,2} [AB](?: [\x20-\x7e]*)?$/.test(line)) return { silent: 'unasked' }
  const [status, weight, unit] = fields(payload, weightLine) as [string, string, string]
  if (!isUnit(unit)) throw malformed('unit is not one of weight')
  const value = quantity(weight.trim(), unit)
  if (status === 'D') return { silent: 'unstable', passing: value }
  if (!/[1-9]/.test(weight)) return { silent: 'zero' }
  return weight.includes('-') ? { silent: 'negative' } : { measured: { 'body-weight': value } }
}

export default driver({
  name: 'Mettler-Toledo terminals and balances that speak MT-SICS',
  revision: 1,
  options: {
    mode: {
      choices: ['ask', 'continuous', 'push'],
      default: 'ask',
      tells:
        'ask: asked every second; continuous: it repeats by itself (SIR); push: it sends when a key is pressed or after a change (SR), each stable weight counts',
    },
    baud: {
      choices: [9600, 1200, 2400, 4800, 19200, 38400],
      default: 9600,
      tells: 'speed as set on the terminal; set it to 8 data bits, no parity, no handshake',
    },
  },
  link: ({ baud }) => ({ serial: { baud }, frame: { until: '\r\n', limit: 128 } }),
  check: none,
  says: ['body-weight'],
  settle: ({ mode }) => (mode === 'push' ? 'each' : { kind: 'body-weight', emptyBelow: 0.5, movedBy: 1 }),
  everyMs: ({ mode }) => (mode === 'ask' ? 1000 : 0),
  answerMs: 500,
  // SI answers at once; S would keep silent until the weight is stable.
  talk: () =>
    function* () {
      yield { send: bytesOf('SI\r\n') }
      yield understand(yield 'hear')
    },
  listen: () => understand,
})
