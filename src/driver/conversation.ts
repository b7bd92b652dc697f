import type { Bytes } from '../base/bytes.ts'
import type { Round, Said, Silent, Step } from './driver.ts'

/** How a device that must be asked is asked again and again. */
export interface Conversation {
  /** Gives up a round whose answer is overdue: an idle device is no fault. */
  lapse(now: number): void
  /** Gives up what is overdue, or begins a round that is due; tells what was said by then. */
  turn(now: number): (Said | Silent)[]
  /** Hands over a payload that came. What the driver throws passes through, and ends this round. */
  answer(payload: Bytes, now: number): (Said | Silent)[]
  /** Whether an answer is waited for. */
  asking(): boolean
  /** Ends this round: what was asked came damaged. */
  giveUp(now: number): void
  /** When `turn` is due. */
  due(): number
  /** What is to be written to the device, each handed over once. */
  sends(): Bytes[]
}

/** Starts asking at `now`; see Talks in driver.ts. */
export function converse(
  talk: Round,
  { everyMs, answerMs }: { everyMs: number; answerMs: number },
  now: number,
): Conversation {
  let round: Generator<Step, void, Bytes> | undefined
  let due = everyMs === 0 ? Number.POSITIVE_INFINITY : now
  let sends: Bytes[] = []

  const rest = (at: number): void => {
    round = undefined
    due = everyMs === 0 ? Number.POSITIVE_INFINITY : at + everyMs
  }

  const follow = (running: Generator<Step, void, Bytes>, payload: Bytes | undefined, at: number) => {
    const said: (Said | Silent)[] = []
    let given = payload
    for (;;) {
      const step = running.next(given as Bytes)
      given = undefined
      if (step.done === true) {
        rest(at)
        return said
      }
      if (step.value === 'hear') {
        due = at + answerMs
        return said
      }
      if ('send' in step.value) sends.push(step.value.send)
      else said.push(step.value)
    }
  }

  const lapse = (at: number): void => {
    if (round !== undefined && at >= due) rest(at)
  }

  return {
    lapse,
    turn(at) {
      lapse(at)
      if (at < due) return []
      round = talk()
      return follow(round, undefined, at)
    },
    answer(payload, at) {
      if (round === undefined) return [{ silent: 'unasked' }]
      try {
        return follow(round, payload, at)
      } catch (fault) {
        rest(at)
        throw fault
      }
    },
    asking: () => round !== undefined,
    giveUp: rest,
    due: () => due,
    sends() {
      const taken = sends
      sends = []
      return taken
    },
  }
}
