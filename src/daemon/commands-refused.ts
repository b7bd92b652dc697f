import type { FaultCode } from '../base/fault.ts'
import type { After } from '../transport/port.ts'
import type { EventDetail } from '../wire/chained.ts'

type Detail = EventDetail<'command-refused'>

/** Counts the commands that were not obeyed, and tells of them: one event a minute at most (WIRE 7.12). */
export interface RefusedCommands {
  /** `intent` where the server's own key named it. */
  add(why: FaultCode, intent: string | null): void
  counts(): ReadonlyMap<FaultCode, number>
  stop(): void
}

const minuteMs = 60_000

/** `report` is told what is to become an event; each reason has its own, the first that came is told first. */
export function refusedCommands(after: After, report: (detail: Detail) => void): RefusedCommands {
  const counts = new Map<FaultCode, number>()
  // as many as there are reasons at most
  const waiting = new Map<FaultCode, Detail>()
  let callOff: (() => void) | undefined

  const tell = (): void => {
    callOff = undefined
    const [first] = waiting
    if (first === undefined) return
    waiting.delete(first[0])
    callOff = after(minuteMs, tell)
    report(first[1])
  }

  return {
    add(why, intent) {
      counts.set(why, (counts.get(why) ?? 0) + 1)
      const before = waiting.get(why)
      waiting.set(why, { why, intent: intent ?? before?.intent ?? null, count: (before?.count ?? 0) + 1 })
      if (callOff === undefined) tell()
    },
    counts: () => counts,
    stop: () => callOff?.(),
  }
}
