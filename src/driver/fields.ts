import { Fault } from '../base/fault.ts'

/** The payload as text, one character a byte (ISO 8859-1), so that no byte is lost or replaced. */
export const text = (payload: Uint8Array): string =>
  Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString('latin1')

/**
 * The groups of a pattern that must fit the whole payload; Fault `frame.malformed` otherwise. A group that
 * took no part is an empty text. Anchor the pattern with ^ and $.
 */
export function fields(payload: Uint8Array, pattern: RegExp): string[] {
  const found = pattern.exec(text(payload))
  if (found === null) throw malformed('frame does not fit its pattern')
  return found.slice(1).map(group => group ?? '')
}

/** A fault for a frame that is not understood. The reason must hold no value of the frame. */
export const malformed = (reason: string): Fault => new Fault('frame.malformed', reason)

/**
 * A device's date and time as `2026-07-11T09:05`, with seconds if given; undefined where there is no such
 * day or minute. Years 2000 to 2099.
 */
export function calendar(
  year: string,
  month: string,
  day: string,
  hour: string,
  minute: string,
  second?: string,
): string | undefined {
  const shape = `${year}-${month}-${day}T${hour}:${minute}:${second ?? '00'}`
  if (!/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d$/.test(shape)) return undefined
  const at = new Date(`${shape}Z`)
  // Date rolls 29 February of a common year over to March: only a real day comes back as it went in.
  if (Number.isNaN(at.getTime()) || at.toISOString().slice(0, 19) !== shape) return undefined
  return second === undefined ? shape.slice(0, 16) : shape
}
