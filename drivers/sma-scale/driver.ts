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

// Asked with LF W CR; answers LF, s r n m f, weight, unit, CR: `␊ 1G        72.4kg ␍`.
// Source: Minebea PR 5220 manual p.130-133, PR 5211 p.54; Detecto 758C manual p.32; see NOTES.md.

/**
 * The weight is 10 characters (Cardinal 190: room for 11), right-aligned, the unit 3. Both are found from the
 * end, because Detecto 758C puts `W01,` in front.
 */
const record = /^\n(?:W\d\d,)?([ ZOUETe])[1-9]([GTNgn])([ M]) ([ \d.-]{10,11})(kg|lb|oz|st|g | {2}) $/

/** What the status says where it makes the digits worthless, plausible as they may look. */
const worthless: Record<string, Silence> = {
  O: 'overload',
  U: 'underload',
  E: 'error', // zero error
  T: 'error', // tare error
  e: 'no-value', // weight not being displayed (Cardinal, Detecto)
}

const units = { kg: 'kg', lb: 'lb', oz: 'oz', st: 'st', 'g ': 'g' } as const
const isUnit = (word: string): word is keyof typeof units => Object.hasOwn(units, word)

function understand(payload: Bytes): Said | Silent {
  const line = text(payload)
  // `?`: it does not know the command; `!`: it saw a parity or framing error.
  if (/^\n[?!]$/.test(line)) return { silent: 'error' }
  if (/^\n(?:SMA|MFG|MOD|REV|SN_|END):[\x20-\x7e]*$/.test(line)) return { silent: 'unasked' }
  const found = fields(payload, record) as [string, string, string, string, string]
  const [status, shown, motion, weight, unit] = found
  const silent = worthless[status]
  if (silent !== undefined) return { silent }
  // No stable weight in time: the motion column is blank then, as if the dashes were stable.
  if (/^-+$/.test(weight)) return { silent: 'no-value' }
  if (!/^ *-?\d+(?:\.\d+)?$/.test(weight)) throw malformed('weight is no number')
  if (!isUnit(unit)) throw malformed('weight has no unit')
  if (shown === 'T') return { silent: 'tare' }
  const value = quantity(weight.trim(), units[unit])
  if (motion === 'M') return { silent: 'unstable', passing: value }
  if (!/[1-9]/.test(weight)) return { silent: 'zero' }
  if (weight.includes('-')) return { silent: 'negative' }
  if (status === 'Z') throw malformed('centre of zero with a weight')
  return { measured: { 'body-weight': value } }
}

export default driver({
  name: 'Scales that answer the SMA standard (Detecto, Cardinal, Minebea, Fairbanks)',
  revision: 1,
  options: {
    baud: {
      choices: [9600, 1200, 2400, 4800, 19200],
      default: 9600,
      tells: 'speed as set in the menu of the scale; 8 data bits, no parity',
    },
  },
  link: ({ baud }) => ({ serial: { baud }, frame: { from: '\n', to: '\r', limit: 64 } }),
  check: none,
  says: ['body-weight'],
  settle: { kind: 'body-weight', emptyBelow: 0.5, movedBy: 1 },
  everyMs: 1000,
  answerMs: 500,
  talk: () =>
    function* () {
      yield { send: bytesOf('\nW\r') }
      yield understand(yield 'hear')
    },
  // A late answer, or one of a stream that was begun before: a record means the same, asked or not.
  listen: () => understand,
})
