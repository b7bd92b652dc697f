import { until } from '../../scripts/scenario/program.ts'
import type { FlagLine } from '../../src/receiver/flags.ts'
import { listReadings, type ReadingLine } from '../../src/receiver/readings-list.ts'
import { patienceMs } from '../way/site.ts'
import type { Scene } from './scene.ts'

/** A place in a gateway's chains. */
export interface At {
  gateway: string
  epoch: string
  seq: number
}

/** The weight of a reading, kg. */
export const weightOf = ({ values }: ReadingLine): number | undefined =>
  values['body-weight'] === undefined ? undefined : Number(JSON.stringify(values['body-weight'].value))

/** Names of flags, each once, in order of the alphabet. */
export const namesOf = (flags: readonly FlagLine[]): string =>
  [...new Set(flags.map(({ flag }) => flag))].sort().join(' ')

/**
 * What became of a forged reading, as the command line tells it: the flags that were raised since, and the
 * verdict with which the reading is there, if it is.
 */
export async function outcomeOf(scene: Scene, mark: number, { gateway, epoch, seq }: At): Promise<string> {
  const isIt = (one: At): boolean => one.gateway === gateway && one.epoch === epoch && one.seq === seq
  const { store } = scene.site
  await until(`an outcome at ${seq} of ${epoch}`, patienceMs, () => {
    const there = listReadings(store, { gateway, limit: 20, verdict: 'all' }).some(isIt)
    return there || scene.mark() > mark
  })
  const [flags, readings] = await Promise.all([scene.flagsSince(mark), scene.readings()])
  const verdict = readings.find(isIt)?.verdict ?? 'no reading'
  return flags.length === 0 ? verdict : `${namesOf(flags)}, ${verdict}`
}
