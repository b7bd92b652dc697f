import type { Attribution } from '../reading/reading.ts'
import { type Family, repeats } from './family.ts'

/** How scans and measurements of one station belong together (DESIGN 10); may be changed. Times in milliseconds. */
export interface AttributeRules {
  /** How long a scan holds. */
  windowMs: number
  /** How long before a scan an unattributed measurement may lie that it claims; 0 is off. */
  claimMs: number
  /** The code that closes a window. */
  endCode: string
}

/** Where custody put a reading. */
export interface ReadingPlace {
  epoch: string
  seq: number
}

/** A scan that claims an earlier unattributed reading. */
export interface Claim extends ReadingPlace {
  band: string
  scannedMono: number
}

/** How far the clock of a device may be off that was compared with ours: it tells whole seconds. */
const coarseMs = 5_000

interface Window {
  band: string
  scannedMono: number
  until: number
  measured: Set<Family>
  /** Unattributed readings from just before the scan, claimed if the window ends without their family. */
  claimable: Map<Family, ReadingPlace>
}

/**
 * Whose the measurements of one station are. Pure: the steady time is handed in and never goes back. What
 * it remembers belongs to one boot and one station, and nothing is inferred from a value.
 */
export interface Attributor {
  /** A band was scanned; gives the claims of the window that this one replaces. */
  scan(code: string, now: number): Claim[]
  /**
   * Whose a measurement is that came at `now` and was made at `measuredAt`; undefined is a normal state. What
   * was measured before a band was scanned is not that band's.
   */
  measure(family: Family, now: number, measuredAt?: number): Attribution | undefined
  /** Tells where an unattributed measurement was put, so that a scan shortly after may claim it. */
  place(family: Family, measuredAt: number, place: ReadingPlace): void
  /** Lets time pass; gives the claims of a window that ended. */
  rest(now: number): Claim[]
  /** Whether a window waits for a measurement, and none from just before the scan may be meant by it. */
  expects(): boolean
  /** When `rest` wants to be called; undefined while no window is open. */
  due(): number | undefined
}

/** Starts with no window open. */
export function attributor(rules: AttributeRules): Attributor {
  let window: Window | undefined
  const waiting = new Map<Family, { at: number; place: ReadingPlace }>()

  const close = (): Claim[] => {
    if (window === undefined) return []
    const { band, scannedMono, measured, claimable } = window
    window = undefined
    return [...claimable]
      .filter(([family]) => !measured.has(family))
      .map(([, place]) => ({ ...place, band, scannedMono }))
  }

  const rest = (now: number): Claim[] => (window !== undefined && now >= window.until ? close() : [])

  return {
    scan(code, now) {
      const claims = close()
      const { windowMs, claimMs, endCode } = rules
      if (code === endCode) return claims
      const claimable = new Map<Family, ReadingPlace>()
      for (const [family, { at, place }] of waiting) if (now - at < claimMs) claimable.set(family, place)
      waiting.clear()
      window = { band: code, scannedMono: now, until: now + windowMs, measured: new Set(), claimable }
      return claims
    },
    measure(family, now, measuredAt = now) {
      if (window === undefined || now >= window.until) return undefined
      if (measuredAt < window.scannedMono - coarseMs) return undefined
      if (window.measured.has(family) && !repeats(family)) return undefined
      window.measured.add(family)
      return { band: window.band, scannedMono: window.scannedMono }
    },
    place(family, measuredAt, place) {
      // While a window is open the next scan is the next resident's: what lies inside it is not theirs.
      if (rules.claimMs > 0 && window === undefined) waiting.set(family, { at: measuredAt, place })
    },
    rest,
    expects: () => window !== undefined && window.claimable.size === 0 && window.measured.size === 0,
    due: () => window?.until,
  }
}
