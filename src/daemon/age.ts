import type { Measured } from '../driver/driver.ts'
import { type Wall, wallMs } from './wall.ts'

/** What is known of the device that measured. */
export interface Keeper {
  /** Whether it keeps measurements and hands them over later. */
  stores: boolean
  /** How far its clock was ahead of ours when this session began; undefined where nobody compared. */
  clockOffMs: number | undefined
}

/** How old a measurement is, as far as it can be told. */
export interface Age {
  /** How good the device's clock is; undefined where the measurement carries no time. */
  clock?: 'checked' | 'unchecked'
  /** How long ago it was measured; undefined where nobody knows, and then it is not of this moment. */
  ms: number | undefined
}

/** A device's clock that is further off was set by nobody: what it told then is no time at all. */
const rightWithinMs = 120_000

/**
 * Judges the age of a measurement that came at a moment of the site's wall clock. A device without memory
 * measures when it speaks. One that keeps its measurements is believed by its clock alone, and by that only
 * where it had been right before we set it: its stored ones carry the time that it showed then. Only such a one asks
 * for the site's clock.
 */
export function ageOf(
  { deviceTime, stored }: Measured,
  { stores, clockOffMs }: Keeper,
  now: () => Wall,
): Age {
  const right = clockOffMs !== undefined && Math.abs(clockOffMs) <= rightWithinMs
  const clock = right ? ('checked' as const) : ('unchecked' as const)
  const told = deviceTime === undefined ? {} : { clock }
  if (!stores && stored !== true) return { ...told, ms: 0 }
  if (deviceTime === undefined || !right) return { ...told, ms: undefined }
  const measured = Date.parse(`${deviceTime}Z`) - clockOffMs
  const ms = wallMs(now()) - measured
  // of tomorrow: our own clock was set back since the two were compared
  return { ...told, ms: ms < -rightWithinMs ? undefined : Math.max(0, ms) }
}

/** From this age on a measurement was kept by its device, and handed over later. */
export const storedFromMs = 120_000
