import type { Taken } from '../control/api.ts'

/** Who listens to what custody takes. */
export interface TakenStream {
  tell(taken: Taken): void
  /** Sends every reading that is taken from now on, until `end` is aborted. */
  listen(send: (taken: Taken) => void, end: AbortSignal): Promise<void>
}

/** Starts with nobody listening. */
export function takenStream(): TakenStream {
  const listeners = new Set<(taken: Taken) => void>()
  return {
    tell(taken) {
      for (const send of listeners) send(taken)
    },
    listen: (send, end) =>
      new Promise(resolve => {
        listeners.add(send)
        const leave = (): void => {
          listeners.delete(send)
          resolve()
        }
        if (end.aborted) leave()
        else end.addEventListener('abort', leave, { once: true })
      }),
  }
}
