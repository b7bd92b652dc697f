import type { After } from '../transport/port.ts'

/** A pause that an end cuts short; whether it went by whole. */
export const pause = (after: After, ms: number, end: AbortSignal): Promise<boolean> =>
  new Promise(resolve => {
    if (end.aborted) return resolve(false)
    const callOff = after(ms, () => {
      end.removeEventListener('abort', cut)
      resolve(true)
    })
    const cut = (): void => {
      callOff()
      resolve(false)
    }
    end.addEventListener('abort', cut, { once: true })
  })
