/** A session over which commands may go out at once. */
export interface OpenSession {
  token: number
  /** Of its hello: what a command names (WIRE 7.12). */
  nonce: string
}

/**
 * A gateway refuses a command that names a hello of five minutes ago or more (WIRE 7.12). Its own clock began when
 * it sent that; ours when it came, so some of it is left out.
 */
export const freshMs = 270_000

/** The sessions whose hello this process took lately, by the steady clock; those of other workers it does not know. */
export interface OpenSessions {
  /** A hello came that nobody had taken before. */
  began(gateway: string, session: OpenSession): void
  /** The newest session of each gateway whose hello is fresh. */
  fresh(): ReadonlyMap<string, OpenSession>
}

/** `mono` is the steady clock, milliseconds. */
export function openSessions(mono: () => number): OpenSessions {
  const known = new Map<string, OpenSession & { came: number }>()
  return {
    began: (gateway, session) => {
      known.set(gateway, { ...session, came: mono() })
    },
    fresh: () => {
      const now = mono()
      for (const [gateway, { came }] of known) if (now - came >= freshMs) known.delete(gateway)
      return known
    },
  }
}
