import { formerServers } from './former.ts'

/** A gateway with more epochs keeps its keys: the first hello under new ones must name them all (WIRE 1.5, 9.9). */
export const turnEpochs = 32

/** Why this gateway cannot go over to new keys just now, with so many epochs that have rows on the box; or undefined. */
export function keepKeys(state: string, epochs: number): string | undefined {
  if (epochs > turnEpochs) return `${epochs} epochs have rows here, ${turnEpochs} are the most`
  const [former] = formerServers(state)
  // that server knows the present keys only
  return former === undefined ? undefined : `rows are still on their way to the former server ${former}`
}
