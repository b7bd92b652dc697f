import { join } from 'node:path'
import { type Random, seededRandom } from '../way/random.ts'
import { type Cut, diskOf, layOut } from './disk.ts'
import type { Call } from './trace.ts'

/** What came of cutting the power again and again. */
export interface Cuts {
  images: number
  /** One sentence for each image in which something is wrong, with the number that it has. */
  bad: string[]
}

const luck: readonly Cut[] = ['lost', 'kept', 'torn']

/** How many images, with which luck in turn, and what repeats it. */
export interface Plan {
  count: number
  seed: number
  cuts?: readonly Cut[]
}

/**
 * Cuts the power at `count` moments of a recording, evenly from its first call to its last, each time with other
 * luck, and has each image judged in a folder of its own. `hear` gets what the program had told by then.
 */
export function cutEverywhere(
  { calls, root, folder, count, seed, cuts = luck }: Recording & Plan,
  hear: (text: string) => void,
  faults: (image: string) => string[],
): Cuts {
  const random: Random = seededRandom(seed)
  const disk = diskOf(root)
  const image = join(folder, 'image')
  const bad: string[] = []
  let images = 0
  for (const [at, call] of calls.entries()) {
    if (call.call === 'tell') hear(call.text)
    disk.do(call)
    for (; images * calls.length < count * (at + 1); images++) {
      const cut = cuts[images % cuts.length]!
      layOut(disk.after(cut, random), root, image)
      const found = faults(image)
      if (found.length > 0)
        bad.push(`image ${images}, ${cut} after call ${at}: ${found.slice(0, 5).join('; ')}`)
    }
  }
  return { images, bad }
}

/** What a program did below a folder, and where images of that may be laid out. */
export interface Recording {
  calls: readonly Call[]
  root: string
  folder: string
}
