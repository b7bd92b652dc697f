import { driver, fields, malformed, none, parity, type Quantity, quantity, type Silent, text } from '#driver'

// One line a weight: `ST,GS,+0072.40kg` from indicators, `ST,+0072.40 kg` from balances.
// Source: A&D weighing indicator manuals, page "A&D standard format"; see NOTES.md.

/** Comparator results (OK, HI, LO, --) stand where balances of the GC series put them. */
const header = ',(GS|NT|TR|PT|G|N|T|OK|HI|LO|--) ?'
const weightLine = new RegExp(
  `^(ST|US|QT)(?:${header}[, ]|,) *([+-]?) *(\\d+(?:[.,]\\d+)?) *([A-Za-z]{1,3}|%)? *$`,
)
/** Out of range, digits blank (format 1) or nines (format 2); the sign tells at which end. */
const rangeLine = new RegExp(`^(?:OL|LO)(?:${header})?[, ]* *([+-]?)[ 9]*[.,]?[ 9]*(?:[A-Za-z]{1,3}|%)? *$`)

const units = new Set(['kg', 'g', 'lb', 'oz', 'st'] as const)
type WeightUnit = typeof units extends Set<infer U> ? U : never
const isUnit = (word: string): word is WeightUnit => units.has(word as WeightUnit)

function unstable(weight: string, unit: string): Silent {
  return isUnit(unit) ? { silent: 'unstable', passing: quantity(weight, unit) } : { silent: 'unstable' }
}

/** The weight of a stable line. Pounds taken for kilograms would be the worst error: no unit, no weight. */
function stable(sign: string, weight: string, unit: string): Quantity | Silent {
  if (!isUnit(unit)) throw malformed(unit === '' ? 'weight has no unit' : 'unit is not one of weight')
  if (/^[0.]+$/.test(weight)) return { silent: 'zero' }
  return sign === '-' ? { silent: 'negative' } : quantity(weight, unit)
}

export default driver({
  name: 'A&D weighing indicators and balances, and scales that speak their line',
  revision: 1,
  options: {
    mode: {
      choices: ['continuous', 'on-print'],
      default: 'continuous',
      tells:
        'continuous: each settled weighing counts once; on-print: the scale sends when told, each counts',
    },
    parity: {
      choices: [false, true, 'even', 'odd'],
      default: false,
      tells: 'the scale sends 7 data bits and parity (7E1, the usual setting of A&D); true means even',
    },
    decimalComma: {
      choices: [false, true],
      default: false,
      tells: 'the scale is set to write 72,40 (AD-4329A); then a decimal point is refused',
    },
    baud: {
      choices: [2400, 1200, 4800, 9600, 19200, 38400],
      default: 2400,
      tells: 'speed as set on the scale; A&D leave the factory with 2400',
    },
  },
  link: ({ baud }) => ({ serial: { baud }, frame: { until: ['\r\n', '\r'], limit: 64 } }),
  check: options => (options.parity === false ? none : parity(options.parity === 'odd' ? 'odd' : 'even')),
  says: ['body-weight'],
  settle: ({ mode }) => (mode === 'on-print' ? 'each' : { kind: 'body-weight', emptyBelow: 0.5, movedBy: 1 }),
  listen: ({ decimalComma }) => {
    const mark = decimalComma ? ',' : '.'
    return payload => {
      if (/^(OL|LO)/.test(text(payload))) {
        const [, sign] = fields(payload, rangeLine)
        return { silent: sign === '-' ? 'underload' : 'overload' }
      }
      const [state, what, sign, weight, unit] = fields(payload, weightLine) as [
        string,
        string,
        string,
        string,
        string,
      ]
      if (state === 'QT') return { silent: 'count' }
      if (what === 'TR' || what === 'PT' || what === 'T') return { silent: 'tare' }
      const point = weight.replace(/\d/g, '')
      if (point !== '' && point !== mark) throw malformed(`decimal mark is not ${mark}`)
      const plain = weight.replace(',', '.')
      if (state === 'US') return unstable(`${sign}${plain}`, unit)
      const found = stable(sign, plain, unit)
      return 'silent' in found ? found : { measured: { 'body-weight': found } }
    }
  },
})
