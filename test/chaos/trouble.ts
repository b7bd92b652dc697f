/** What a broker path does to what it carries. Shares are in percent of the packets or connections. */
export interface Trouble {
  /** PUBLISH packets that are not passed on, in either direction. */
  drop: number
  /** Those of the dropped ones that are acknowledged to their sender all the same. */
  lie: number
  /** PUBLISH packets that are passed on twice. */
  duplicate: number
  /** How many PUBLISH packets are held at most, to leave in another order; 1 keeps the order. */
  window: number
  /** PUBLISH packets that are held back for a while, and how long that is at most, ms. */
  delay: number
  delayMs: number
  /** PUBACK packets that do not reach the gateway. */
  swallow: number
  /** How long a connection lives, ms; undefined lets it live. */
  life: readonly [least: number, most: number] | undefined
  /** Connections that are cut within the TLS handshake. */
  handshake: number
  /** Everything that the gateway publishes is acknowledged and forgotten. */
  forgets: boolean
  /** Nothing is passed on any more, in either direction, and nothing is closed. */
  halfOpen: boolean
}

/** Passes everything on. */
export const calm: Trouble = {
  ...{ drop: 0, lie: 0, duplicate: 0, window: 1, delay: 0, delayMs: 0, swallow: 0 },
  ...{ life: undefined, handshake: 0, forgets: false, halfOpen: false },
}

/** R5: what a reading must get through exactly once. */
export const storm: Trouble = {
  ...calm,
  ...{ drop: 20, lie: 50, duplicate: 20, window: 50, delay: 5, delayMs: 5000, swallow: 20 },
  ...{ life: [1500, 4000], handshake: 15 },
}

/** How a connection ends in the middle of things. */
export const ends = ['in-packet-up', 'in-packet-down', 'closed', 'half-open', 'taken-over'] as const
export type End = (typeof ends)[number]
