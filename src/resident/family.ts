import type { Kind } from '../reading/kinds.ts'

/**
 * What a measurement is, for the purpose of whose it is: its leading kind. A pulse comes with a cuff or an
 * oximeter and leads only where it is alone.
 */
export type Family = Kind

const leading: readonly Kind[] = [
  'systolic',
  'diastolic',
  'mean-arterial-pressure',
  'body-weight',
  'spo2',
  'body-temperature',
  'blood-glucose',
  'body-height',
  'body-fat',
  'bmi',
  'perfusion-index',
  'pulse-rate',
]

/** The family of a measurement with these kinds; undefined for one without any. */
export const familyOf = (kinds: readonly Kind[]): Family | undefined =>
  leading.find(kind => kinds.includes(kind))

/** Whether one person's measurement is often taken again at once: a blood pressure is, a weight is not. */
export const repeats = (family: Family): boolean => family === 'systolic' || family === 'diastolic'
