import { Fault } from '../base/fault.ts'
import { faultOf } from './bluez-fault.ts'
import type { After } from './port.ts'

/** Longest wait for one answer of BlueZ, milliseconds. */
export const callMs = 10_000

/**
 * Ends to every wait on one connection, for the library has none: an answer, time, or the loss of the
 * connection.
 */
export interface Bounds {
  /** Why nothing works on this connection any more; undefined as long as it does. */
  lost(): Fault | undefined
  /** Hears of the loss, at once where it is lost already; the function it gives calls off. */
  whenLost(act: (fault: Fault) => void): () => void
  /** Waits for what the library promised: a Fault when it fails, takes too long or the connection is lost. */
  bounded<T>(work: Promise<T>, what: string, ms?: number): Promise<T>
  /** Whether something was waited for in vain on this connection. */
  unanswered(): boolean
}

/** Starts unlost; `lose` is for the owner of the connection, and counts once. */
export function openBounds(after: After): Bounds & { lose(why: Fault): void } {
  const losses = new Set<(fault: Fault) => void>()
  let fault: Fault | undefined
  let unanswered = false

  const whenLost = (act: (fault: Fault) => void): (() => void) => {
    if (fault === undefined) losses.add(act)
    else act(fault)
    return () => losses.delete(act)
  }

  return {
    lost: () => fault,
    whenLost,
    unanswered: () => unanswered,
    lose(why) {
      if (fault !== undefined) return
      fault = why
      for (const act of [...losses]) act(why)
      losses.clear()
    },
    bounded: (work, what, ms = callMs) =>
      new Promise((resolve, reject) => {
        let hush = (): void => {}
        const end = (): void => {
          callOff()
          hush()
        }
        const fail = (why: Fault): void => {
          end()
          reject(why)
        }
        const callOff = after(ms, () => {
          unanswered = true
          fail(new Fault('ble.lost', `${what}: no answer`, { hint: 'systemctl status bluetooth' }))
        })
        work.then(
          result => {
            end()
            resolve(result)
          },
          cause => fail(faultOf(cause, what)),
        )
        hush = whenLost(fail)
      }),
  }
}
