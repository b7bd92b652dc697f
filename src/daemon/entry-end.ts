import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'

/** How long before the end of the server entry's validity people are told (DESIGN 6). */
const warnBeforeMs = 30 * 86_400_000
/** How often the log tells it. */
const tellMs = 86_400_000

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)

/**
 * What people are told about a server entry that runs out, by the server's signed time; undefined while there is
 * nothing to tell, or where the server has told no time yet. Nothing stops but commands (WIRE 7.12).
 */
export function entryNotice(until: number, now: number | undefined): string | undefined {
  if (now === undefined || until - now > warnBeforeMs) return undefined
  return now < until
    ? `the server entry runs out on ${dayOf(until)}: then commands are no longer obeyed; ask the operator for a new one`
    : `the server entry ran out on ${dayOf(until)}: readings are taken and sent, commands are not obeyed; ask the operator for a new one`
}

/** Tells the log once a day of an entry that runs out; asked at each welcome. */
export function watchEntry(clock: Clock, log: Log): (until: number, now: number) => void {
  let told: number | undefined
  return (until, now) => {
    const notice = entryNotice(until, now)
    if (notice === undefined || (told !== undefined && clock.mono() - told < tellMs)) return
    told = clock.mono()
    log.warn({ until }, now < until ? 'the server entry runs out' : 'the server entry ran out')
  }
}
