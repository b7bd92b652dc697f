import type { FaultCode } from '../base/fault.ts'
import type { Kind } from '../reading/kinds.ts'
import type { Check } from './checks.ts'
import type { Driver, Fixed, Link, Round, Told, Understands } from './driver.ts'
import { type OptionTable, type Settings, settingsOf } from './options.ts'
import type { Settle } from './settle.ts'
import type { Steady } from './steady.ts'

/** How a driver is heard once its options are set: what it is told, what it asks, or both. */
export interface Voice {
  listen?(): Understands
  talk?: { begin(): Round; everyMs: number; answerMs: number }
}

/** A driver with its options applied: what a station needs to open the port and the session. */
export interface Setup {
  options: Settings<OptionTable>
  link: Link
  check: Check
  says: readonly Kind[]
  settle: Settle | Steady | undefined
  repeatMs: number
  feedback: Partial<Record<Told, string>>
  voice: Voice
}

/**
 * Applies options to a driver's card. What is wrong with them is told in one fault of `code`; `what` names
 * the place for people, for instance `options of scale-2`.
 */
export function setUp(driver: Driver, given: unknown, what = 'options', code?: FaultCode): Setup {
  const options = settingsOf(driver.options ?? {}, given, what, code)
  const fix = <V>(member: Fixed<V, OptionTable>): V =>
    typeof member === 'function' ? (member as (options: Settings<OptionTable>) => V)(options) : member
  const settle = fix<Settle | Steady | 'each'>(driver.settle ?? 'each')
  return {
    options,
    link: fix(driver.link),
    check: fix(driver.check),
    says: driver.says,
    settle: settle === 'each' ? undefined : settle,
    repeatMs: fix<number>(driver.repeatMs ?? 0),
    feedback: fix<Partial<Record<Told, string>>>(driver.feedback ?? {}),
    voice: {
      ...(driver.listen !== undefined && { listen: () => driver.listen!(options) }),
      ...(driver.talk !== undefined && {
        talk: {
          begin: () => driver.talk(options),
          everyMs: fix<number>(driver.everyMs),
          answerMs: driver.answerMs,
        },
      }),
    },
  }
}
