import type { Rotated } from '../control/api.ts'
import { type Act, done } from './commands.ts'

/** Proposes new keys to the registry; `next` and `words` are what the operator compares before the root signs. */
export const rotateAct = (
  rotate: () => Promise<Pick<Rotated, 'already' | 'kid' | 'next' | 'words'>>,
): Act<'rotate'> => ({
  async act() {
    const { already, kid, next, words } = await rotate()
    return done({ already, kid, next, words: words.join(' ') })
  },
})
