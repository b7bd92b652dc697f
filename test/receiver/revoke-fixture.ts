import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from '@jest/globals'
import { checkRequest, enrol, type Signers } from '../../src/receiver/enrol.ts'
import { initialise } from '../../src/receiver/init.ts'
import { openRegistry } from '../../src/receiver/registry.ts'
import { insertStatement } from '../../src/receiver/registry-rows.ts'
import { revokeGateway } from '../../src/receiver/revoke.ts'
import { ownLock, paths, readSecrets, readSigner } from '../../src/receiver/state.ts'
import { openStore } from '../../src/receiver/store.ts'
import type { SigningKey } from '../../src/wire/keys.ts'
import { type Revocation, signRegistry } from '../../src/wire/registry.ts'
import { makeBox, planAt } from './box.ts'

export const passphrase = 'correct horse battery'
export const now = Date.UTC(2026, 0, 15)

const made = Promise.withResolvers<string>()
let making = false

afterAll(async () => {
  if (making) rmSync(await made.promise, { recursive: true, force: true })
})

/** A state folder of its own after `init`, which is done once: its scrypt takes its time. */
async function initialised(): Promise<string> {
  if (!making) {
    making = true
    const first = mkdtempSync(join(tmpdir(), 'vitalgate-first-'))
    initialise(first, planAt(now), async () => passphrase).then(() => made.resolve(first), made.reject)
  }
  return copyOf(await made.promise)
}

/** A copy of a state folder whose database nobody has open. */
export function copyOf(state: string): string {
  const copy = mkdtempSync(join(tmpdir(), 'vitalgate-copy-'))
  cpSync(state, copy, { recursive: true })
  chmodSync(copy, 0o700) // a copy is made with the rights of the umask
  return copy
}

/** A registry on disk with what revoking needs: its keys unlocked, boxes enrolled in it, rows entered by hand. */
export async function registryBench() {
  const state = await initialised()
  const store = openStore(paths(state).database)
  const registry = openRegistry(state, store.db)
  const signers: Signers = {
    root: readSigner(state, 'root', { passphrase }),
    authority: {
      key: readSecrets(state, 'authority', ownLock(state)).key,
      certificate: readFileSync(paths(state).authorityCertificate, 'utf8'),
    },
  }
  const operator = readSigner(state, 'operator', ownLock(state))
  const check = (text: string) => checkRequest(text, 'request.json')
  const decided = { why: 'stolen', actor: 'anna', now }

  /** A revocation of a gateway, as its members say and as somebody signs it. */
  const sign = (members: Partial<Revocation>, key: SigningKey = operator) =>
    signRegistry(
      'revocation',
      {
        server: registry.server.id,
        number: 1,
        before: null,
        what: 'gateway',
        id: 'aaaabbbbccccddddeeeeffffga',
        key: '0'.repeat(16),
        tls: 'ab'.repeat(32),
        since: now,
        why: 'stolen',
        ...members,
      },
      key,
    )

  return {
    state,
    store,
    registry,
    root: signers.root,
    operator,
    signers,
    decided,
    check,
    sign,
    /** The registry as a process sees it that starts now. */
    again: () => openRegistry(state, store.db),
    /** A box that is enrolled; with `gateway` under an id that is known. */
    box: async (gateway?: string) => {
      const box = await makeBox(gateway === undefined ? {} : { gateway })
      await enrol(store, registry, await check(box.text), signers, { site: 'oak-house', actor: 'anna', now })
      return box
    },
    revoke: (gateway: string) => revokeGateway(state, store, registry, gateway, decided),
    enter: (statement: ReturnType<typeof sign>, version: number) =>
      insertStatement(store.db, {
        subject: registry.server.id,
        version,
        statement,
        at: now,
        actor: 'somebody',
      }),
    end: () => {
      store.close()
      rmSync(state, { recursive: true, force: true })
    },
  }
}
