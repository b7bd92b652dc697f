import type { Database } from 'better-sqlite3'
import { Fault } from '../base/fault.ts'
import type { Placed } from './outbox.ts'

/** How a command ended. */
export type Outcome = 'done' | 'failed' | 'interrupted'

/** What is told of a command that ended: names, each with a text, a whole number, true or false. */
export type Detail = Record<string, string | number | boolean>

/** A command that was written down before it was acted on (WIRE 7.12). */
export interface Intent {
  intent: string
  verb: string
  /** Its result and where that stands in the chain; undefined while it is acted on. */
  ended?: { outcome: Outcome; detail: Detail; epoch: string; seq: number; waits: boolean }
}

interface Stored {
  intent: string
  verb: string
  outcome: Outcome | null
  detail: string | null
  epoch: string | null
  seq: number | null
  state: string | null
}

function readDetail(text: string): Detail {
  try {
    return JSON.parse(text) as Detail
  } catch (cause) {
    throw new Fault('outbox.damaged', 'a stored result cannot be read', { cause })
  }
}

const read = ({ intent, verb, outcome, detail, epoch, seq, state }: Stored): Intent =>
  outcome === null || epoch === null || seq === null
    ? { intent, verb }
    : {
        intent,
        verb,
        ended: {
          outcome,
          detail: readDetail(detail ?? '{}'),
          epoch,
          seq,
          waits: state === 'queued',
        },
      }

/** Ended intents that are remembered: a server asks again for at most a quarter of an hour. */
const remembered = 1000

/** The commands that this box has written down, each acted on at most once. */
export interface Intents {
  named(intent: string): Intent | undefined
  /** Those that have no result yet, oldest first. */
  open(): Intent[]
  /** The newest of a verb. */
  newest(verb: string): Intent | undefined
  /** Writes one down; a second of the same id throws SQLite's constraint error. */
  begin(intent: string, verb: string, at: number): void
  /** Notes the result of one, and where it was put. */
  end(intent: string, outcome: Outcome, detail: Detail, place: Placed): void
}

/** The intents stored in this database. */
export function intentsOf(db: Database): Intents {
  const columns = 'intent, verb, outcome, detail, intent.epoch, intent.seq, row.state'
  const from = `SELECT ${columns} FROM intent LEFT JOIN row ON row.id = intent.row`
  const one = db.prepare<[string], Stored>(`${from} WHERE intent = ?`)
  const open = db.prepare<[], Stored>(`${from} WHERE outcome IS NULL ORDER BY intent.id`)
  const newest = db.prepare<[string], Stored>(`${from} WHERE verb = ? ORDER BY intent.id DESC LIMIT 1`)
  const insert = db.prepare('INSERT INTO intent (intent, verb, begun) VALUES (?, ?, ?)')
  const prune = db.prepare(
    `DELETE FROM intent WHERE outcome IS NOT NULL AND id <= (SELECT max(id) FROM intent) - ${remembered}`,
  )
  const end = db.prepare(
    'UPDATE intent SET outcome = ?, detail = ?, epoch = ?, seq = ?, row = ? WHERE intent = ?',
  )
  const found = (stored: Stored | undefined): Intent | undefined =>
    stored === undefined ? undefined : read(stored)
  return {
    named: intent => found(one.get(intent)),
    open: () => open.all().map(read),
    newest: verb => found(newest.get(verb)),
    begin: (intent, verb, at) => {
      prune.run()
      insert.run(intent, verb, at)
    },
    end: (intent, outcome, detail, { epoch, seq, id }) =>
      void end.run(outcome, JSON.stringify(detail), epoch, seq, id, intent),
  }
}
