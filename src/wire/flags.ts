/** Remarks on quality that arise honestly (DESIGN 8). Each has its line in docs/FLAGS.md. */
export const noteNames = [
  'unattributed',
  'unguarded-frame',
  'time-unsynced',
  'implausible',
  'claimed-late',
  'experimental-driver',
  'stored',
] as const

/** What becomes of that which raised a flag. */
export type Outcome = 'flag' | 'quarantine' | 'refuse' | 'ignore'

/**
 * The suspicions: potentially false data. A closed list; each has its line in docs/FLAGS.md. `quarantine`:
 * kept apart, never shown as a reading. `flag`: stored and marked. `refuse`: somebody did not act on it.
 * `ignore`: counted only.
 */
export const flags = {
  MALFORMED: 'quarantine',
  UNKNOWN_KEY: 'quarantine',
  BAD_SIG: 'quarantine',
  WRONG_TYPE: 'quarantine',
  WRONG_AUDIENCE: 'quarantine',
  TOPIC_MISMATCH: 'quarantine',
  DEVICE_UNREGISTERED: 'quarantine',
  UNREADABLE: 'quarantine',
  REVOKED_KEY: 'quarantine',
  FORMER_KEY: 'quarantine',
  GAP: 'flag',
  FORK: 'flag',
  CLONE_SUSPECT: 'flag',
  REGISTRY_ROLLBACK: 'flag',
  COMMAND_REFUSED: 'flag',
  BROKER_REFUSED: 'refuse',
  SERVER_KEY_UNPINNED: 'refuse',
  DUPLICATE: 'ignore',
} as const satisfies Record<string, Outcome>

export type Flag = keyof typeof flags
