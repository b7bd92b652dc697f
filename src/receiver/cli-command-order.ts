import { durationMs } from '../base/clock.ts'
import { isThere, writeFileAtomic } from '../base/files.ts'
import { print, printJson, say, usage } from '../base/output.ts'
import type { VerbName } from '../wire/verbs.ts'
import type { Opened } from './cli-registry-open.ts'
import { commandLine, orderOf, readIntent } from './commands.ts'

/** How long an order that is carried by a person stands where nothing is said, and at the most, milliseconds. */
const carried = { usualMs: 30 * 86_400_000, mostMs: 90 * 86_400_000 }

/** Where the order goes and how long it stands, if a person carries it. */
export function readCarried(
  verb: VerbName,
  { order, stands }: { order?: string; stands?: string },
): { file: string; ms: number } | undefined {
  if (order === undefined) {
    if (stands !== undefined) throw usage('--stands goes with --order FILE', 'else it stands for 15 minutes')
    return undefined
  }
  if (verb !== 'abandon') throw usage(`a box takes no ${verb} from a file`, 'only abandon goes with --order')
  if (isThere(order)) throw usage(`${order} is there already`, 'name a file that is not there')
  const ms = stands === undefined ? carried.usualMs : durationMs(stands)
  if (ms !== undefined && ms <= carried.mostMs) return { file: order, ms }
  throw usage(`--stands is a duration up to 90d, not ${stands}`, 'such as 30d')
}

/** Writes the order of a command into a file that a person carries to the box. */
export function tellOrder({ store, json }: Opened, intent: string, file: string): void {
  const row = readIntent(store, intent)!
  writeFileAtomic(file, `${JSON.stringify(orderOf(row))}\n`)
  const line = commandLine(row, Date.now())
  if (json) {
    printJson({ ...line, order: file })
    return
  }
  print(`order ${intent.slice(0, 8)} for ${line.gateway} written to ${file}; it stands until ${line.until}`)
  say(`at the box: vitalgate outbox abandon ${file}`)
}

/** What is lost, of the verbs that cannot be taken back. */
export const warnings: Partial<Record<VerbName, (gateway: string) => string>> = {
  wipe: gateway => `wipe destroys the keys and rows of gateway ${gateway}: it must be provisioned anew`,
  abandon: gateway =>
    `abandon deletes rows of gateway ${gateway} that no server has signed for; its status tells how many`,
}
