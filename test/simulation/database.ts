import Real from 'better-sqlite3'

/** The outboxes that are open, by their files: each can be looked into between two of its transactions. */
export const databases = new Map<string, Real.Database>()

/** Stands where the outbox asks for better-sqlite3: the same, and known here. */
export default class Database extends (Real as unknown as new (
  path: string,
  options?: Real.Options,
) => Real.Database) {
  constructor(path: string, options?: Real.Options) {
    super(path, options)
    databases.set(path, this)
  }
}
