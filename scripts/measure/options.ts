import { parseArgs } from 'node:util'
import { usage } from '../../src/base/output.ts'
import type { SizeName } from './sizes.ts'

/** What can be measured alone, in the order in which it is; the machine's limits are measured with each. */
export const groups = ['latency', 'whole', 'gateway', 'drain', 'verify', 'idle', 'written', 'start'] as const
export type Group = (typeof groups)[number]

export interface Options {
  json: boolean
  size: SizeName
  only: readonly Group[]
  /** Leaves the folder with states and logs where it is. */
  keep: boolean
  /** Says where the time of the programs goes, at the price of some of it. */
  profile: boolean
  /** A page that gets the tables, between its marks. */
  into: string | undefined
}

const hint = 'scripts/bench --help'

const known = {
  json: { type: 'boolean', default: false },
  quick: { type: 'boolean', default: false },
  release: { type: 'boolean', default: false },
  keep: { type: 'boolean', default: false },
  profile: { type: 'boolean', default: false },
  into: { type: 'string' },
  only: { type: 'string', multiple: true, default: [] as string[] },
} as const

function typed(words: readonly string[]) {
  try {
    return parseArgs({ args: [...words], options: known }).values
  } catch (cause) {
    const [why = ''] = (cause instanceof Error ? cause.message : String(cause)).split('. ')
    throw usage(why.charAt(0).toLowerCase() + why.slice(1), hint)
  }
}

/** What was typed. Fault `usage`. */
export function readOptions(words: readonly string[]): Options {
  const { json, quick, release, keep, profile, into, only } = typed(words)
  if (quick && release) throw usage('--quick and --release are two sizes: name one of them', hint)
  const strange = only.find(name => !groups.some(group => group === name))
  if (strange !== undefined) throw usage(`--only knows no ${strange}`, `one of: ${groups.join(', ')}`)
  return {
    ...{ json, keep, profile, into },
    size: quick ? 'quick' : release ? 'release' : 'normal',
    only: only.length === 0 ? groups : groups.filter(group => only.includes(group)),
  }
}
