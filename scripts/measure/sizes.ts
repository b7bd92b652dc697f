/** How much is measured: enough to see a change, to quote, or to publish. */
export interface Sizes {
  /** Scales that print; the figures of other programs in docs/RELIABILITY.md were measured with eight. */
  scales: number
  /** Readings one after the other, for the latency and for what one of them writes. */
  single: number
  /** Readings of a burst, and how often it is repeated. */
  burst: number
  bursts: number
  /** Seconds of a flow that does not end. */
  sustained: number
  /** Waiting rows that are drained, and how often; and once so many more. */
  drain: number
  drains: number
  drainLarge: number | undefined
  /** Envelopes that are verified in one process. */
  verified: number
  /** Seconds of doing nothing. */
  idle: number
  /** Starts of the daemon, and the rows of an outbox that is not empty. */
  starts: number
  rows: number
  /** Times that each limit of the machine is measured, and messages that are published each time. */
  limits: number
  published: number
}

export type SizeName = 'quick' | 'normal' | 'release'

export const sizes: Readonly<Record<SizeName, Sizes>> = {
  quick: {
    ...{
      scales: 2,
      single: 60,
      burst: 2000,
      bursts: 1,
      sustained: 2,
      drain: 2000,
      drains: 1,
      drainLarge: undefined,
    },
    ...{ verified: 1000, idle: 2, starts: 2, rows: 2000, limits: 3, published: 1000 },
  },
  normal: {
    ...{ scales: 8, single: 500, burst: 20_000, bursts: 3, sustained: 15, drain: 20_000, drains: 2 },
    ...{
      drainLarge: undefined,
      verified: 10_000,
      idle: 10,
      starts: 5,
      rows: 50_000,
      limits: 5,
      published: 10_000,
    },
  },
  release: {
    ...{ scales: 8, single: 1000, burst: 20_000, bursts: 5, sustained: 60, drain: 20_000, drains: 3 },
    ...{
      drainLarge: 200_000,
      verified: 20_000,
      idle: 10,
      starts: 7,
      rows: 500_000,
      limits: 7,
      published: 20_000,
    },
  },
}

/** Bytes of disk that a row needs, with room: its envelope, once in the outbox and twice at the receiver. */
const bytesPerRow = 4096

/** Bytes of disk that a run of this size needs at most. */
export function spaceFor({ burst, bursts, sustained, drain, drains, drainLarge = 0, rows }: Sizes): number {
  const mostPerSecond = 10_000
  const rowsInAll = 2 * (burst * bursts + sustained * mostPerSecond + drain * drains + drainLarge) + rows
  return rowsInAll * bytesPerRow
}
