import type { Command } from 'commander'
import { durationMs } from '../base/clock.ts'
import { usage } from '../base/output.ts'
import { paths, readFacts } from './state.ts'
import { openStore, type Store } from './store.ts'

/** Opens the receiver's store that `--state` names, hands it to `work` with `--json`, and closes it. */
export function withStore(command: Command, work: (store: Store, json: boolean) => void): void {
  const { state, json } = command.optsWithGlobals<{ state: string; json?: boolean }>()
  // says what to type where there is no receiver yet, before a database is made
  readFacts(state)
  const store = openStore(paths(state).database)
  try {
    work(store, json === true)
  } finally {
    store.close()
  }
}

/** A gateway id or its beginning, at least six characters. */
export function readGateway(text: string): string {
  if (!/^[a-z2-7]{6,26}$/.test(text)) {
    throw usage(`${text} is no gateway id`, 'name it by its first 6 characters or more')
  }
  return text
}

/** A number of rows. */
export function readLimit(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw usage(`--limit is a number above 0, not ${text}`)
  return Number(text)
}

/** A moment: a date, a date with time (UTC unless it says otherwise), or how long ago (`90m`, `7d`). */
export function readSince(text: string, now: number): number {
  const ago = durationMs(text)
  if (ago !== undefined) return now - ago
  const dated = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)?)?$/.exec(text)
  const at =
    dated === null
      ? Number.NaN
      : Date.parse(dated[1] !== undefined && dated[4] === undefined ? `${text}Z` : text)
  if (Number.isNaN(at)) {
    throw usage(
      `--since is a date or a duration, not ${text}`,
      'such as 2026-07-11, 2026-07-11T09:05Z, 90m or 7d',
    )
  }
  return at
}
