/** What a source says of a frame: free members, as its researcher wrote them. */
export type Expected = Record<string, unknown>

/** What must be said of it. */
export interface Wanted {
  /** Values by kind in their canonical unit, or that nothing may be said; undefined where only `never` matters. */
  values?: Record<string, number> | 'nothing'
  scanned?: string
  /** Weights in kg that must never be said. */
  never?: number[]
}

/** NIST SP 811: 1 lb = 0.45359237 kg, 1 in = 2.54 cm; IEEE 11073: mmHg = 101.325/760 kPa. */
const factors: Record<string, number> = {
  kg: 1,
  g: 0.001,
  lb: 0.45359237,
  cm: 1,
  in: 2.54,
  m: 100,
  kPa: 760 / 101.325,
  mmHg: 1,
}

/** A value in its canonical unit, rounded to 0.01 where the unit had to be changed. */
function converted(value: number, unit: string): number {
  const factor = factors[unit]
  if (factor === undefined) throw new Error(`no factor for ${unit}`)
  return factor === 1 ? value : Math.round(value * factor * 100) / 100
}

const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)

const put = (values: Record<string, number>, kind: string, value: number | undefined): void => {
  if (value !== undefined) values[kind] = value
}

/** Words by which a serial frame says that it means no value. */
const silentWords = ['reject', 'status', 'ack', 'stale', 'serial', 'level', 'commands', 'lines'] as const

function saysNothing(expected: Expected): boolean {
  if (silentWords.some(word => expected[word] !== undefined)) return true
  if (expected.value === null || expected.values === null || expected.stable === false) return true
  if (expected.publish === false || expected.zero === true) return true
  const { error } = expected
  if (error !== undefined && error !== 0 && error !== 'E00') return true
  // an answer that names a model and nothing else
  return Object.keys(expected).length === 1 && expected.model !== undefined
}

/** What a serial frame must say. `first` is the first frame's expectation, which others may repeat. */
export function wantedOfSerial(expected: Expected, first: Expected | undefined): Wanted {
  if (expected.same_as !== undefined) return wantedOfSerial(first!, undefined)
  const ai = expected.ai as Record<string, string> | undefined
  const scanned = ai?.['8018'] ?? (expected.local as string | undefined)
  if (scanned !== undefined) return { scanned }
  const final = (expected.then ?? expected.final_stable) as Expected | undefined
  if (final !== undefined) {
    const never = expected.unstable_values_must_not_publish as number[] | undefined
    return { values: wantedValues(final), ...(never !== undefined && { never }) }
  }
  if (expected.slice !== undefined || expected.readings === 2) return {}
  if (saysNothing(expected)) return { values: 'nothing' }
  const value = number(expected.value)
  // a weight below zero was taken off, it is none
  if (value !== undefined && value < 0) return { values: 'nothing' }
  return { values: wantedValues(expected) }
}

function wantedValues(expected: Expected): Record<string, number> {
  const values: Record<string, number> = {}
  const unit = String(expected.unit ?? '')
  const weight = number(expected.weight) ?? number(expected.value)
  if (weight !== undefined) values['body-weight'] = converted(weight, unit)
  const height = number(expected.height)
  if (height !== undefined) values['body-height'] = converted(height, String(expected.heightUnit))
  put(values, 'body-height', number(expected.heightCm))
  put(values, 'systolic', number(expected.sys))
  put(values, 'diastolic', number(expected.dia))
  put(values, 'mean-arterial-pressure', number(expected.map))
  put(values, 'pulse-rate', number(expected.pulse) ?? number(expected.hr_display))
  put(values, 'spo2', number(expected.spo2))
  put(values, 'perfusion-index', number(expected.pi))
  if (Object.keys(values).length === 0) throw new Error(`nothing expected of ${JSON.stringify(expected)}`)
  return values
}

/** Characteristics whose values are previews and never measurements. */
const previews = ['2a36', '2a1e']

/** What a value of a BLE characteristic must say. */
export function wantedOfBle(
  expected: Expected,
  { char, publish }: { char: string; publish: boolean },
): Wanted {
  if (!publish || expected.valid === false || previews.includes(char)) return { values: 'nothing' }
  const values: Record<string, number> = {}
  const unit = String(expected.unit ?? '')
  for (const [name, kind] of [
    ['systolic', 'systolic'],
    ['diastolic', 'diastolic'],
  ] as const) {
    const pressure = number(expected[name])
    if (pressure !== undefined) values[kind] = converted(pressure, unit)
  }
  // A mean of 0 is "not provided" (PROTOCOLS of the devices that send it): no expectation on it here.
  put(values, 'pulse-rate', number(expected.pulseRate))
  put(values, 'spo2', number(expected.spo2))
  const temperature = number(expected.temperature)
  if (temperature !== undefined) {
    const celsius = unit === 'F' ? Math.round((((temperature - 32) * 5) / 9) * 100) / 100 : temperature
    values['body-temperature'] = celsius
  }
  const weight = number(expected.weight)
  if (weight !== undefined) values['body-weight'] = converted(weight, unit)
  put(values, 'body-fat', number(expected.bodyFatPercent))
  return { values: Object.keys(values).length === 0 ? 'nothing' : values }
}
