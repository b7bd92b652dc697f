import { hex } from '../base/bytes.ts'
import type { EventDetail } from '../wire/chained.ts'
import type { Captures } from './captures.ts'
import { type Act, done } from './commands.ts'

/** Bytes of one part (WIRE 6.4). */
const partBytes = 4096

/** Begins to record what a device says; nothing of it leaves memory before `capture-stop`. */
export const captureStartAct = (captures: Pick<Captures, 'start'>): Act<'capture-start'> => ({
  async act(_intent, _end, { device, seconds }) {
    captures.start(device, seconds)
    return done({ device, seconds })
  },
})

/** Ends the recording and hands it up in sealed parts; it is forgotten once all of them are on disk. */
export const captureStopAct = (
  captures: Pick<Captures, 'stop' | 'drop'>,
  take: (detail: EventDetail<'capture-part'>) => Promise<unknown>,
): Act<'capture-stop'> => ({
  async act(intent, end) {
    const { device, bytes, full } = captures.stop()
    const parts = Math.ceil(bytes.length / partBytes)
    for (let part = 1; part <= parts && !end.aborted; part++) {
      const raw = hex(bytes.subarray((part - 1) * partBytes, part * partBytes))
      await take({ intent, part, parts, raw })
    }
    captures.drop()
    return done({ device, bytes: bytes.length, parts, full })
  },
})
