import { notes } from './notes.ts'

/** A frame of the invented scale: digits and the sign of stability. */
const line = (weight: string, sign: string): string => `${weight.padStart(6)} kg ${sign}\r\n`
const hex = (text: string): string => Buffer.from(text, 'latin1').toString('hex')

const card = (name: string): string => `import { driver, fields, none, quantity } from '#driver'

// FILL IN: what a frame looks like, e.g. \`  72.4 kg S\`, and where that is written (manual, revision, page).
// Source: invented; see NOTES.md.

export default driver({
  name: ${literal(name)},
  revision: 1,
  // FILL IN: take this away when bytes of a true device, or frames that its maker printed, stand behind it.
  experimental: true,
  // FILL IN: speed and framing (docs/DRIVERS.md, Framing), and the USB id if the adapter is built in.
  link: { serial: { baud: 9600 }, frame: { until: '\\r\\n', limit: 64 } },
  // FILL IN: what guards a frame. \`none\` is said aloud: every reading is noted as unguarded.
  check: none,
  // FILL IN: all kinds that it may measure; none for a scanner.
  says: ['body-weight'],
  // FILL IN: leave away for a device that sends when told.
  settle: { kind: 'body-weight', emptyBelow: 0.5, movedBy: 1 },
  listen: () => payload => {
    // FILL IN: understand, be silent with a reason, or throw. Never guess: no unit, no weight.
    const [weight = '', sign] = fields(payload, /^ *(\\d{1,3}\\.\\d|-{4}) kg ([SM])$/)
    if (weight === '----') return { silent: 'overload' }
    if (sign === 'M') return { silent: 'unstable', passing: quantity(weight, 'kg') }
    if (weight === '0.0') return { silent: 'zero' }
    return { measured: { 'body-weight': quantity(weight, 'kg') } }
  },
})
`

/** A text as the formatter writes it. */
export const literal = (text: string): string =>
  text.includes("'") && !text.includes('"')
    ? `"${text}"`
    : `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`

const weighing = [line('0.0', 'S'), line('40.1', 'M'), line('72.4', 'S'), line('72.4', 'S'), line('0.0', 'S')]

const capture = (id: string): string => {
  const header = {
    capture: 1,
    driver: id,
    options: {},
    link: 'serial',
    when: new Date().toISOString().slice(0, 7),
    source: 'FILL IN: invented; where the bytes come from, never a person',
    note: 'FILL IN: one weighing of a bench weight of 72.4 kg',
  }
  const rows = [header, ...weighing.map((text, at) => ({ t: at * 200, in: hex(text) }))]
  return rows.map(row => `${JSON.stringify(row)}\n`).join('')
}

const proof = (id: string): string => `import { expect, test } from '@jest/globals'
import { heardBy } from './heard.ts'

const heard = await heardBy('${id}')

// FILL IN: every frame that the manual prints, each refusal and each silence; expected values from the manual.

test('a stable weight is said with its digits', () => {
  expect(heard('  72.4 kg S\\r\\n')).toEqual([{ measured: { 'body-weight': { n: 724, s: 1, u: 'kg' } } }])
})

test.each([
  ['  72.4 kg M', 'unstable'],
  ['   0.0 kg S', 'zero'],
  ['  ---- kg S', 'overload'],
  ['  72.4    S', 'frame.malformed'],
  ['  72.4 lb S', 'frame.malformed'],
])('%j', (line, expected) => {
  expect(heard(\`\${line}\\r\\n\`)).toEqual([expected])
})
`

/** The files of a driver for a serial device, by their paths. */
export const serialFiles = (id: string, name: string): Record<string, string> => ({
  [`drivers/${id}/driver.ts`]: card(name),
  [`drivers/${id}/NOTES.md`]: notes(
    name,
    'RS-232, 9600 8N1. FILL IN: who speaks first, how often, after what.',
  ),
  [`drivers/${id}/captures/settles.jsonl`]: capture(id),
  [`drivers/${id}/captures/settles.expect.json`]:
    '[\n  {"measured":{"body-weight":{"value":72.4,"unit":"kg"}}}\n]\n',
  [`test/drivers/${id}.test.ts`]: proof(id),
})
