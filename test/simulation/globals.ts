import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import type { Random } from '../way/random.ts'
import { schedule } from './schedule.ts'

/*
 * Time and chance of this whole process are the simulation's: the timers, Math.random, and the bytes of which
 * epochs, nonces and intents are made. Keys of envelopes stay the system's: no decision depends on them.
 */
let random: Random | undefined
const real = crypto.randomBytes
/** More than this is filler, such as ballast. */
const fewBytes = 64

/** From now on chance is this one's. */
export function chanceIs(chosen: Random): void {
  random = chosen
}

const planned = (cancel: () => void) => ({
  cancel,
  ref() {
    return this
  },
  unref() {
    return this
  },
  hasRef: () => true,
})

const wait = (act: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
  planned(schedule().after(ms, () => act(...args)))
const stop = (timer: { cancel?: () => void } | undefined): void => timer?.cancel?.()

Object.assign(globalThis, {
  setTimeout: wait,
  clearTimeout: stop,
  setImmediate: (act: (...args: unknown[]) => void, ...args: unknown[]) => wait(act, 0, ...args),
  clearImmediate: stop,
})
Math.random = () => random!.next()
Object.assign(crypto, {
  randomBytes: (count: number) => {
    if (count > fewBytes || random === undefined) return real(count)
    return Buffer.from(Array.from({ length: count }, () => random!.between(0, 255)))
  },
})
syncBuiltinESMExports()
