import type { Random } from '../way/random.ts'
import { oneOf } from './chance.ts'

/** Something that goes wrong: when (steady milliseconds), with whom, and for how long if it lasts. */
export interface Fault {
  at: number
  kind: FaultKind
  /** Which of the boxes. */
  box: number
  /** How long it lasts, milliseconds. */
  ms: number
  /** A number that the kind makes of what it likes. */
  much: number
}

/** How often each comes, beside the others. */
const often = {
  // the network
  weather: 6,
  cut: 6,
  'broker-down': 2,
  'swallow-up': 2,
  'swallow-down': 2,
  // a gateway
  crash: 6,
  'crash-after-commit': 5,
  'power-cut': 3,
  'slow-disk': 2,
  'disk-full': 2,
  corrupt: 1,
  'clock-jump': 2,
  rotate: 1,
  clone: 1,
  // the server
  'server-crash': 4,
  'server-crash-after-commit': 4,
  restore: 3,
  // whoever holds the broker
  replay: 5,
  swap: 1,
  damage: 1,
  'forge-reading': 1,
  'forge-signature': 1,
  forward: 1,
  'forge-receipt': 2,
  'foreign-head': 2,
  readdress: 1,
  'old-token': 2,
} as const
export type FaultKind = keyof typeof often

const bag = (Object.keys(often) as FaultKind[]).flatMap(kind => Array<FaultKind>(often[kind]).fill(kind))

/** What goes wrong in a world, by its seed: some dozen things within `horizonMs`, of these kinds if they are named. */
export function faultsOf(
  random: Random,
  boxes: number,
  horizonMs: number,
  kinds?: readonly string[],
): Fault[] {
  const from = kinds === undefined ? bag : bag.filter(kind => kinds.includes(kind))
  return Array.from({ length: random.between(4, 12) }, () => ({
    at: random.between(1000, horizonMs),
    kind: oneOf(random, from),
    box: random.between(0, boxes - 1),
    ms: random.between(1, 10) * oneOf(random, [1000, 5000, 20_000]),
    much: random.between(0, 1_000_000),
  })).sort((a, b) => a.at - b.at)
}
