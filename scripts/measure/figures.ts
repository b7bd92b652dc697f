import { round, type Spread, spreadOf } from './spread.ts'
import { type Judged, judge, targets } from './targets.ts'

/** A unit of a figure, as it is written behind it. */
export type Unit = 'ms' | 's' | '/s' | 's/1,000' | 'MB' | '%' | 'B' | 'rows'

/** One thing that was measured, beside what the machine can do at most in the same run. */
export interface Figure {
  /** What it is, for people. */
  title: string
  unit: Unit
  spread: Spread
  /** The limit of the machine that it is compared with: its name in `limits`, and figure divided by limit. */
  limit?: { name: string; ratio: number }
  targets: Judged[]
  /** What people must know to read it. */
  note?: string
}

/** Figures by name, in the order in which they were measured. */
export type Figures = Record<string, Figure>

/** What is asked of a figure beside its samples. */
export interface Described {
  title: string
  unit: Unit
  /** Which limit of the machine stands beside it. */
  limit?: string
  note?: string
}

/** What was measured of one figure, not put together yet. */
export type Measured = Record<string, Described & { samples: readonly number[] }>

/** Figure divided by limit, by their medians; 0 where the limit itself is nothing. */
export const ratioOf = (figure: Spread, limit: Spread): number =>
  limit.p50 === 0 ? 0 : round(figure.p50 / limit.p50)

/** Puts a figure together from what was measured; `limits` are those of this run. */
export function figureOf(
  name: string,
  { title, unit, limit, note }: Described,
  samples: readonly number[],
  limits: Figures,
): Figure {
  const spread = spreadOf(samples)
  const beside = limit === undefined ? undefined : limits[limit]
  return {
    title,
    unit,
    spread,
    ...(limit !== undefined &&
      beside !== undefined && { limit: { name: limit, ratio: ratioOf(spread, beside.spread) } }),
    targets: (targets[name] ?? []).map(target => judge(target, spread)),
    ...(note !== undefined && { note }),
  }
}

/** Puts together what was measured of several figures. */
export const figuresOf = (measured: Measured, limits: Figures): Figures =>
  Object.fromEntries(
    Object.entries(measured).map(([name, { samples, ...described }]) => [
      name,
      figureOf(name, described, samples, limits),
    ]),
  )
