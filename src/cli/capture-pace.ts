import { print, printJson } from '../base/output.ts'
import type { Timed } from '../driver/play.ts'
import { openSession } from '../driver/session.ts'
import type { Setup } from '../driver/setup.ts'
import type { Capture } from '../transport/capture.ts'
import { chunksOf, countedRow } from './capture-decode.ts'
import { seconds, told } from './capture-told.ts'

/** Rest between two rounds of a loop at recorded pace. */
const loopRestMs = 2000
/** The longest wait that a timer can. */
const longestMs = 2 ** 31 - 1

const sleep = (ms: number): Promise<void> =>
  ms > 0 ? new Promise(resolve => setTimeout(resolve, Math.min(ms, longestMs))) : Promise.resolve()

/** What to print of an outcome as it comes: what counts, and faults. */
function tell(one: Timed, json: boolean): void {
  const row = countedRow(one)
  if (row === undefined) return
  if (json) printJson(row)
  else print(`${seconds(one.t).padStart(9)}  ${told(one.heard)}`)
}

/**
 * Plays what a capture's device sent into its driver at recorded pace times `speed` and prints what counts as
 * it comes. The driver's time is that of the capture, however fast it is played.
 */
export async function replayIntoDriver(
  capture: Capture,
  setup: Setup,
  given: { speed: number; loop?: true; json?: true },
): Promise<void> {
  const chunks = chunksOf(capture)
  do {
    const session = openSession(setup, 0)
    const began = performance.now()
    const take = (t: number, outcomes: ReturnType<typeof session.hear>): void => {
      session.sends()
      for (const outcome of outcomes) tell({ ...outcome, t }, given.json === true)
    }
    const at = (t: number): Promise<void> => sleep(began + t / given.speed - performance.now())
    let now = 0
    for (const { t, in: bytes, char } of chunks) {
      for (let due = session.due(); due !== undefined && due <= t; due = session.due()) {
        await at(due)
        take(due, session.rest(due))
      }
      await at(t)
      now = t
      take(t, session.hear(bytes, t, char))
    }
    take(now, session.end(now))
    if (given.loop === true) await sleep(loopRestMs / given.speed)
  } while (given.loop === true)
}
