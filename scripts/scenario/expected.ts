import type { ReadingLine } from '../../src/receiver/readings-list.ts'
import type { Flag } from '../../src/wire/flags.ts'

/** A reading as the morning round must arrive: written down from the captures by hand, never computed. */
export interface Expected {
  device: string
  band: string | null
  values: Record<string, string>
}

const firstBand = '952123456789012345'
const secondBand = '952123456789004173'

/** What the round says, in the order in which it happens. The last weight came without a scan. */
export const roundReadings: readonly Expected[] = [
  { device: 'scale', band: firstBand, values: { 'body-weight': '72.40 kg' } },
  {
    device: 'cuff',
    band: firstBand,
    values: { systolic: '120 mm[Hg]', diastolic: '80 mm[Hg]', 'pulse-rate': '72 /min' },
  },
  { device: 'scale', band: secondBand, values: { 'body-weight': '58.60 kg' } },
  {
    device: 'cuff',
    band: secondBand,
    values: { systolic: '134 mm[Hg]', diastolic: '76 mm[Hg]', 'pulse-rate': '68 /min' },
  },
  { device: 'scale', band: null, values: { 'body-weight': '81.20 kg' } },
]

/** What the wheelchair scale says before anybody accepted it, and what is released afterwards. */
export const newcomerReading: Expected = {
  device: 'wheelchair-scale',
  band: null,
  values: { 'body-weight': '64.3 kg' },
}

/** Values as they are compared: digits and unit. */
export const digitsOf = (values: ReadingLine['values']): Record<string, string> =>
  Object.fromEntries(
    Object.entries(values).map(([kind, { value, unit }]) => [kind, `${JSON.stringify(value)} ${unit}`]),
  )

const sameValues = (a: Record<string, string>, b: Record<string, string>): boolean => {
  const sorted = (values: Record<string, string>): string => JSON.stringify(Object.entries(values).sort())
  return sorted(a) === sorted(b)
}

/** Whether a reading that arrived is the expected one, to the digit. */
export const isExpected = (line: ReadingLine, expected: Expected): boolean =>
  line.device === expected.device &&
  line.band === expected.band &&
  sameValues(digitsOf(line.values), expected.values)

/** What each attack must lead to at the receiver or the gateway. */
export const attackFlags: readonly { letter: string; flag: Flag }[] = [
  { letter: 'a', flag: 'BROKER_REFUSED' },
  { letter: 'b', flag: 'UNKNOWN_KEY' },
  { letter: 'c', flag: 'TOPIC_MISMATCH' },
  { letter: 'd', flag: 'DUPLICATE' },
  { letter: 'e', flag: 'SERVER_KEY_UNPINNED' },
]
