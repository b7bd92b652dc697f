import type { Bytes } from '../base/bytes.ts'
import { type Cutter, fromToCutter, untilCutter } from './cutters.ts'
import { fixedCutter, lengthCutter, silenceCutter } from './lengths.ts'

/**
 * How a stream of bytes is cut into frames. Marks are text, one character a byte; `limit` is the longest
 * frame in bytes (4,096 if not said).
 *
 * - `until`: a frame ends with one of these endings. Of `\r\n` and `\r` the longer wins: after a `\r` the
 *   framing waits for the next byte, at most 50 ms. A frame of nothing but its ending is no frame.
 * - `from`, `to`: a frame begins and ends with a mark. A second beginning ends the first frame as cut off.
 * - `length`: frames of so many bytes, beginning with `from` if given.
 * - `lengthOf`: the frame's own bytes tell its whole length. It is asked after each byte of a beginning, gives
 *   undefined as long as it cannot know, and 0 where no frame begins with these bytes: then the first one is
 *   noise. Of `from` it may be sure, if that is given.
 * - `silenceMs`: a frame ends when the line is silent for so long.
 *
 * A piece that is left half-said for a second is no beginning of the next frame.
 */
export type Framing =
  | { until: string | readonly string[]; limit?: number }
  | { from: string; to: string; limit?: number }
  | { length: number; from?: string }
  | { lengthOf: (begun: Bytes) => number | undefined; from?: string; limit?: number }
  | { silenceMs: number; limit?: number }

/** The longest frame where a card does not say. */
export const longest = 4096

/** A cutter for a framing that compares only the bits of `mask`. */
export function cutterOf(framing: Framing, mask: number): Cutter {
  if ('until' in framing) return untilCutter([framing.until].flat(), framing.limit ?? longest, mask)
  if ('to' in framing) return fromToCutter(framing.from, framing.to, framing.limit ?? longest, mask)
  if ('length' in framing) return fixedCutter(framing.length, framing.from ?? '', mask)
  if ('lengthOf' in framing) {
    return lengthCutter(framing.from ?? '', framing.lengthOf, framing.limit ?? longest, mask)
  }
  return silenceCutter(framing.silenceMs, framing.limit ?? longest)
}
