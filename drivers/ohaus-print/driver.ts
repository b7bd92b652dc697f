import { driver, fields, malformed, none, quantity, type Said, type Silent } from '#driver'

// One line a weight: `    91.4 kg   ?G`, `-  1.640 kg    N`; the question mark is the only sign of stability.
// Source: Ohaus 3000 Series Indicators manual EN-35; logs of a Defender 3000 and of a platform; see NOTES.md.

/** Sign, weight, blank, unit (5 characters, left-justified), stability, legend (up to 3). */
const line = /^ *(-?) *(\d+(?:\.\d+)?) ([A-Za-z ]{5})([ ?])(G|N|NET|T)? *$/

const units = new Set(['kg', 'g', 'lb', 'oz'] as const)
type WeightUnit = typeof units extends Set<infer U> ? U : never
const isUnit = (word: string): word is WeightUnit => units.has(word as WeightUnit)

function understand([sign, weight, padded, stability, legend]: string[]): Said | Silent {
  const unit = padded!.trimEnd()
  if (unit === 'PCS') return { silent: 'count' }
  if (!isUnit(unit)) throw malformed('unit is not one of weight')
  if (legend === 'T') return { silent: 'tare' }
  const value = quantity(`${sign}${weight}`, unit)
  if (stability === '?') return { silent: 'unstable', passing: value }
  if (/^[0.]+$/.test(weight!)) return { silent: 'zero' }
  return sign === '-' ? { silent: 'negative' } : { measured: { 'body-weight': value } }
}

export default driver({
  name: 'Ohaus indicators and scales (print format of the 3000 series)',
  revision: 1,
  options: {
    mode: {
      choices: ['continuous', 'on-print'],
      default: 'continuous',
      tells:
        'continuous: each settled weighing counts once; on-print: the scale sends when told, each counts',
    },
    baud: {
      choices: [9600, 2400, 4800, 19200, 38400],
      default: 9600,
      tells: 'speed as set on the scale; Ohaus leave the factory with 9600',
    },
  },
  link: ({ baud }) => ({ serial: { baud }, frame: { until: '\r\n', limit: 64 } }),
  check: none,
  says: ['body-weight'],
  settle: ({ mode }) => (mode === 'on-print' ? 'each' : { kind: 'body-weight', emptyBelow: 0.5, movedBy: 1 }),
  listen: () => payload => understand(fields(payload, line)),
})
