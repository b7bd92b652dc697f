import { unbase64url } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { writeFileAtomic } from '../base/files.ts'
import { rootWords, sameWords } from '../wire/words.ts'
import { loadIdentity } from './identity.ts'
import { beginMove, checkMove, serverNamed } from './move.ts'
import type { Save } from './places.ts'
import { readBundle, routeOf } from './route.ts'

/**
 * Decides the move that a bundle asks for, if it names another server than the route: the server that is left, or
 * undefined where the bundle moves nothing. Faults: `route.moves` unless a person agreed; those of a bundle that does
 * not hold; `words.mismatch`.
 */
export function acceptMove(
  state: string,
  text: string,
  words: string | undefined,
  agreed: boolean,
  save: Save = writeFileAtomic,
): string | undefined {
  const identity = loadIdentity(state, save)
  if (identity.phase !== 'accepted' && identity.phase !== 'provisioned') return undefined
  const { keys, route: before } = identity
  const bundle = readBundle(text)
  if (bundle.gateway !== keys.gateway || serverNamed(bundle) === before.server) return undefined
  const { pins } = keys
  if (pins === undefined || bundle.root !== pins.root) return undefined
  if (words !== undefined && !sameWords(words, rootWords(unbase64url(bundle.root)))) {
    throw new Fault('words.mismatch', "the words are not those of the bundle's registry root")
  }
  const route = routeOf(bundle, keys, pins)
  checkMove(state, bundle, route, pins)
  if (!agreed) {
    throw new Fault(
      'route.moves',
      `the bundle moves this box from server ${before.server} to server ${route.server}, site ${route.binding.site}`,
      {
        hint: 'what is measured from then on goes there; what waits still goes to the old server, and its commands are refused. Agree with --yes',
      },
    )
  }
  beginMove(state, before.server, bundle, save)
  return before.server
}
