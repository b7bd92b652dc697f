/**
 * The kinds of values that a device can measure, each with its canonical UCUM unit, its codes and the
 * range outside which a value of an adult in a nursing home is not believable (it is kept and noted
 * `implausible`, never changed).
 *
 * Codes: IEEE 11073-10101 (MDC, 32-bit) and LOINC. `null` where no code is verified: the mean pressure
 * has no LOINC in the HL7 Personal Health Device guide, and a guessed code is worse than none.
 */
export interface KindFacts {
  unit: Unit
  mdc: number | null
  loinc: string | null
  /** Lowest and highest plausible value, in `unit`. */
  plausible: readonly [number, number]
}

export type Unit = 'kg' | 'cm' | 'kg/m2' | '%' | 'mm[Hg]' | '/min' | 'Cel' | 'mg/dL'

export const kinds = {
  'body-weight': { unit: 'kg', mdc: 188736, loinc: '29463-7', plausible: [20, 300] },
  'body-height': { unit: 'cm', mdc: 188740, loinc: '8302-2', plausible: [100, 220] },
  bmi: { unit: 'kg/m2', mdc: 188752, loinc: '39156-5', plausible: [10, 80] },
  'body-fat': { unit: '%', mdc: 188748, loinc: '41982-0', plausible: [2, 75] },
  systolic: { unit: 'mm[Hg]', mdc: 150021, loinc: '8480-6', plausible: [50, 280] },
  diastolic: { unit: 'mm[Hg]', mdc: 150022, loinc: '8462-4', plausible: [20, 180] },
  'mean-arterial-pressure': { unit: 'mm[Hg]', mdc: 150023, loinc: null, plausible: [30, 220] },
  'pulse-rate': { unit: '/min', mdc: 149546, loinc: '8867-4', plausible: [25, 240] },
  spo2: { unit: '%', mdc: 150456, loinc: '2708-6', plausible: [50, 100] },
  'perfusion-index': { unit: '%', mdc: null, loinc: null, plausible: [0, 25] },
  'body-temperature': { unit: 'Cel', mdc: 150364, loinc: '8310-5', plausible: [30, 43] },
  'blood-glucose': { unit: 'mg/dL', mdc: 160184, loinc: '2339-0', plausible: [20, 600] },
} as const satisfies Record<string, KindFacts>

export type Kind = keyof typeof kinds

export const kindNames = Object.keys(kinds) as [Kind, ...Kind[]]
