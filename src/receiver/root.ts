import { z } from 'zod'
import { base64url, unbase64url } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { readSecretFile } from '../base/files.ts'
import { unlockKeyfile } from '../base/keyfile.ts'
import { type SigningKey, signingKey } from '../wire/keys.ts'
import type { Registry } from './registry.ts'

const rootForm = z.strictObject({ seed: z.string().length(43) })

/** The registry root in a sealed file, wherever it is kept. Faults `key.missing`, `key.locked`, `key.invalid`. */
export function readRoot(path: string, passphrase: string): SigningKey {
  const held = rootForm.safeParse(unlockKeyfile(readSecretFile(path).toString('utf8'), { passphrase }))
  if (!held.success) throw new Fault('key.invalid', `${path} does not hold a registry root`)
  return signingKey(unbase64url(held.data.seed))
}

/** The root of a sealed file, if it is the one that this registry pins. Fault `key.invalid`. */
export function readPinnedRoot(registry: Registry, path: string, passphrase: string): SigningKey {
  const key = readRoot(path, passphrase)
  if (base64url(key.publicKey) === registry.facts.root) {
    if (registry.roots.some(root => root.kid === key.kid)) return key
    throw new Fault('key.invalid', 'the successor has taken over from this root, and was cut short', {
      hint: 'type again: vitalgate-receiver registry succeed',
    })
  }
  throw new Fault('key.invalid', `${path} holds another root than this registry has`, {
    hint: 'its six words are those that init prints: vitalgate-receiver init',
  })
}
