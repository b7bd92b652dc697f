import { Fault } from '../base/fault.ts'
import type { Adapter } from './bluez-adapter.ts'
import type { After } from './port.ts'

/** Something that needs the adapter for itself. */
export interface Job {
  /** Does it, in bounded time, and tidies up. Never rejects: how it ended is told to who asked. */
  run(adapter: Adapter): Promise<void>
  /** It is not, or no longer, to be done. */
  stop(fault: Fault): void
}

/** What is to be done with the adapter, and what must be done afterwards in any case. */
export interface Work<T> {
  act(adapter: Adapter, signal: AbortSignal): Promise<T>
  tidy(adapter: Adapter): Promise<void>
  /** Longest time, its waiting for a turn not counted. */
  ms: number
}

/** Jobs that wait their turn, first come first served. */
export interface Jobs {
  /** Ends when the work is done and tidied up, or was refused. */
  add<T>(work: Work<T>, signal: AbortSignal): Promise<T>
  next(): Job | undefined
  /** Whether any waits. */
  waiting(): boolean
  /** Stops all that wait. */
  refuse(fault: Fault): void
}

/** More than that is no queue but a fault of the asking side; a home has some ten devices. */
const mostWaiting = 100

const interrupted = (): Fault => new Fault('interrupted', 'the session was called off')

/** Starts without any; `added` is told when there is one. */
export function jobs(after: After, added: () => void): Jobs {
  const waiting: Job[] = []

  const job = <T>(work: Work<T>, resolve: (value: T) => void, reject: (cause: unknown) => void): Job => {
    const over = new AbortController()
    const run = async (adapter: Adapter): Promise<void> => {
      const callOff = after(work.ms, () => {
        const hint = 'another try begins by itself when the device is heard again'
        over.abort(new Fault('ble.lost', `the session took longer than ${work.ms / 1000} s`, { hint }))
      })
      const ended = new Promise<never>((_, fail) => {
        over.signal.addEventListener('abort', () => fail(over.signal.reason), { once: true })
        over.signal.throwIfAborted()
      })
      let tell: () => void
      try {
        const value = await Promise.race([work.act(adapter, over.signal), ended])
        tell = () => resolve(value)
      } catch (cause) {
        tell = () => reject(cause)
      }
      callOff()
      // whatever still goes on sees that it is over
      over.abort(interrupted())
      ended.catch(() => {}) // was told above, or ends just now because the work is done
      await work.tidy(adapter)
      tell()
    }
    const stop = (fault: Fault): void => {
      over.abort(fault)
      const at = waiting.indexOf(made)
      if (at < 0) return
      waiting.splice(at, 1)
      reject(fault)
    }
    const made: Job = { run, stop }
    return made
  }

  return {
    add: (work, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) {
          reject(interrupted())
          return
        }
        if (waiting.length >= mostWaiting) {
          reject(new Fault('ble.lost', `${mostWaiting} sessions wait for the radio already`))
          return
        }
        const calledOff = (): void => one.stop(interrupted())
        const one = job(
          work,
          value => {
            signal.removeEventListener('abort', calledOff)
            resolve(value)
          },
          cause => {
            signal.removeEventListener('abort', calledOff)
            reject(cause)
          },
        )
        signal.addEventListener('abort', calledOff)
        waiting.push(one)
        added()
      }),
    next: () => waiting.shift(),
    waiting: () => waiting.length > 0,
    refuse(fault) {
      for (const one of [...waiting]) one.stop(fault)
    },
  }
}
