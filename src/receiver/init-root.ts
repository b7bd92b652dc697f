import { base64url } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { isThere, readSecretFile, writeSecretFile } from '../base/files.ts'
import { readRoot } from './root.ts'
import { isInitialised, paths, readFacts } from './state.ts'

const roots = ['root', 'successor'] as const

/**
 * Copies the sealed root and successor of another server, so that both registries are under one root and gateways can
 * move between them (WIRE 9.11). `folder` is that server's state folder, or a medium with the two files. Done again it
 * copies nothing. Faults: `key.missing`, `key.locked`, `registry.known` where other roots are here already.
 */
export function copyRoot(state: string, folder: string, passphrase: string): void {
  const from = paths(folder)
  for (const which of roots) {
    if (!isThere(from[which])) {
      throw new Fault('key.missing', `there is no ${from[which]}`, {
        hint: 'name the folder or the medium that holds root.sealed and successor.sealed',
      })
    }
  }
  const [root, successor] = roots.map(which => base64url(readRoot(from[which], passphrase).publicKey))
  if (isInitialised(folder)) {
    const facts = readFacts(folder)
    if (facts.root !== root || facts.successor !== successor) {
      throw new Fault('key.invalid', `${folder} holds other roots than its own registry pins`)
    }
  }
  for (const which of roots) {
    const path = paths(state)[which]
    const copy = readSecretFile(from[which])
    if (!isThere(path)) writeSecretFile(path, copy)
    else if (Buffer.compare(readSecretFile(path), copy) !== 0) {
      throw new Fault('registry.known', `${state} holds another ${which} already`, {
        hint: 'take a state folder in which nothing was begun',
      })
    }
  }
}
