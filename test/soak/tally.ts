import type { Kind } from '../../src/reading/kinds.ts'

/** Values of a reading, in whatever unit. */
type Values = { [K in Kind]?: { n: number; s: number } | undefined }

/** What devices measured and what was taken of it: the only judge of the soak. */
export interface Tally {
  /** A device measured this and nothing came between. */
  measured(device: string, key: string): void
  /** A device measured this and was unplugged just then: it may be taken, or not. */
  perhaps(device: string, key: string): void
  taken(device: string, key: string): void
  verdict(): Verdict
}

export interface Verdict {
  measured: number
  interrupted: number
  taken: number
  /** Measured and not taken, as often as it is so. */
  missing: string[]
  /** Taken more often than it was measured, doubled and invented ones alike. */
  tooMany: string[]
}

/** How a measurement is known: by its leading values, as numbers. */
export function keyOf(values: Values): string {
  const text = (kind: Kind): string => {
    const one = values[kind]
    return one === undefined ? '' : String(one.n / 10 ** one.s)
  }
  if (values.systolic !== undefined) return `${text('systolic')}/${text('diastolic')}`
  if (values.spo2 !== undefined) return text('pulse-rate')
  return text('body-weight') || text('body-temperature')
}

/** Starts with nothing measured. */
export function openTally(): Tally {
  const all = new Map<string, { due: number; perhaps: number; taken: number }>()
  const at = (device: string, key: string): { due: number; perhaps: number; taken: number } => {
    const place = `${device} ${key}`
    const known = all.get(place) ?? { due: 0, perhaps: 0, taken: 0 }
    all.set(place, known)
    return known
  }
  return {
    measured: (device, key) => void at(device, key).due++,
    perhaps: (device, key) => void at(device, key).perhaps++,
    taken: (device, key) => void at(device, key).taken++,
    verdict() {
      const rows = [...all]
      const sum = (of: 'due' | 'perhaps' | 'taken'): number =>
        rows.reduce((total, [, one]) => total + one[of], 0)
      return {
        measured: sum('due'),
        interrupted: sum('perhaps'),
        taken: sum('taken'),
        missing: rows.filter(([, one]) => one.taken < one.due).map(([place]) => place),
        tooMany: rows.filter(([, one]) => one.taken > one.due + one.perhaps).map(([place]) => place),
      }
    },
  }
}
