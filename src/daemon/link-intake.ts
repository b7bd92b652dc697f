import { Fault } from '../base/fault.ts'
import type { After } from '../transport/port.ts'
import type { Draft } from '../wire/chained.ts'
import type { Place } from './custody.ts'

/** How many statements wait while no link is open, and how long each, milliseconds. */
export const intakeLimits = { count: 1000, ms: 60_000 }

type Take = (draft: Draft) => Promise<Place>

/** Takes statements for whichever link is open; between two links they wait, in their order. */
export interface Intake {
  /** Resolves when it is on disk. Fault `outbox.reopening` if it waited too long, or too many do. */
  take: Take
  /** What comes from now on waits. */
  hold(): void
  /** What comes from now on goes there, and what waits before it. */
  pass(to: Take): void
  /** Nothing takes what waits any more: it is refused. */
  refuse(why: Fault): void
}

interface Waiting {
  draft: Draft
  resolve(place: Promise<Place>): void
  reject(why: Fault): void
  callOff(): void
}

const hint = 'measure again; if this is told again and again, restart the daemon and tell the operator'

/** Holds what comes until it is told where to. */
export function makeIntake(after: After, limits = intakeLimits): Intake {
  const waiting = new Set<Waiting>()
  let target: Take | undefined

  const wait: Take = draft =>
    new Promise((resolve, reject) => {
      if (waiting.size >= limits.count) {
        const why = `${waiting.size} statements wait while the outbox is being opened anew`
        return reject(new Fault('outbox.reopening', why, { hint }))
      }
      const late = (): void => {
        waiting.delete(one)
        const why = `the outbox was not open again after ${limits.ms} ms`
        reject(new Fault('outbox.reopening', why, { hint }))
      }
      const one = { draft, resolve, reject, callOff: after(limits.ms, late) }
      waiting.add(one)
    })

  /** Those that wait, which are none from then on. */
  const leave = (): Waiting[] => {
    const all = [...waiting]
    waiting.clear()
    for (const one of all) one.callOff()
    return all
  }

  return {
    take: draft => (target === undefined ? wait(draft) : target(draft)),
    hold() {
      target = undefined
    },
    pass(to) {
      target = to
      for (const { draft, resolve } of leave()) resolve(to(draft))
    },
    refuse(why) {
      for (const { reject } of leave()) reject(why)
    },
  }
}
