import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { base64url } from '../../src/base/bytes.ts'
import { writeFileAtomic } from '../../src/base/files.ts'
import { loadIdentity } from '../../src/identity/identity.ts'
import type { Save } from '../../src/identity/places.ts'
import { acceptBundle, makeNext, makeRequest, markProvisioned } from '../../src/identity/provision.ts'
import { takeUpdate, type Updated } from '../../src/identity/update.ts'
import type { RoutedIdentity } from '../../src/identity/update-taking.ts'
import type { SigningKey } from '../../src/wire/keys.ts'
import { type Bundle, type Request, type registryBodies, signRegistry } from '../../src/wire/registry.ts'
import { decodeBody, type PublicStatement, publish, unpublish } from '../../src/wire/statement.ts'
import { rootWords } from '../../src/wire/words.ts'
import { certify, makeBundle, type StandIn } from './registry-stand-in.ts'

export const facts = {
  hardware: 'bench',
  software: '0.1.0',
  clock: { now: () => 1_780_000_000_000, mono: () => 0 },
}

export const bodyOf = <T>(form: PublicStatement): T => decodeBody(unpublish(form).body) as T

/** Writes as usual until the power goes before write number `after`. */
export const powerCut = (after: number): { save: Save; count: () => number } => {
  let count = 0
  return {
    count: () => count,
    save: (...words) => {
      if (count === after) throw new Error('power cut')
      count += 1
      writeFileAtomic(...words)
    },
  }
}

/** A provisioned box in a folder of its own, and the registry that it belongs to. */
export interface Box {
  state: string
  bundle: Bundle
  identity(): RoutedIdentity
  /** A binding of the gateway as it is bound, changed so. */
  binding(change: object, by?: SigningKey): PublicStatement
  entry(change: object, by?: SigningKey): PublicStatement
  /** Proposes new keys: the request for them. */
  propose(): Promise<Request>
  /** A binding of this version to the keys of a request, and their certificate. */
  bound(request: Request, version: number): { statements: PublicStatement[]; certificate: string }
  take(
    handed: { statements?: PublicStatement[]; certificate?: string; epochs?: number },
    save?: Save,
  ): Updated
  remove(): void
}

export async function makeBox(standIn: StandIn, successor: string | null = null): Promise<Box> {
  const folder = mkdtempSync(join(tmpdir(), 'vitalgate-turn-'))
  const state = join(folder, 'state')
  const { identity: made } = await makeRequest(state, facts)
  const bundle = makeBundle(standIn, bodyOf<Request>(made.request), { successor })
  acceptBundle(state, JSON.stringify(bundle), rootWords(standIn.root.publicKey).join(' '))
  markProvisioned(state, facts.clock)
  const signed = <T extends 'binding' | 'server-entry'>(
    type: T,
    form: PublicStatement,
    change: object,
    by: SigningKey,
  ) => {
    const { kid: _, ...body } = bodyOf<ReturnType<(typeof registryBodies)[T]['parse']>>(form)
    return publish(signRegistry(type, { ...body, ...change } as never, by))
  }
  const box: Box = {
    state,
    bundle,
    identity: () => {
      const identity = loadIdentity(state)
      if (identity.phase === 'provisioned') return identity
      throw new Error(`the box is ${identity.phase}`)
    },
    binding: (change, by = standIn.root) => signed('binding', bundle.binding, change, by),
    entry: (change, by = standIn.root) => signed('server-entry', bundle.serverEntry, change, by),
    async propose() {
      const { identity } = await makeNext(state, facts)
      return bodyOf<Request>(identity.keys.next!.request)
    },
    bound(request, version) {
      const { binding, certificate } = makeBundle(standIn, request)
      const { keys } = bodyOf<{ keys: object }>(binding)
      return { statements: [box.binding({ version, keys })], certificate }
    },
    take: ({ statements = [], certificate, epochs = 1 }, save) =>
      takeUpdate(state, { statements, certificate, epochs }, save),
    remove: () => rmSync(folder, { recursive: true }),
  }
  return box
}

/** A certificate for the box's own TLS key that ends so many days from now. */
export const certificateFor = (standIn: StandIn, box: Box, days: number, use?: string): string =>
  certify(standIn, bodyOf<Request>(box.identity().request).csr, days, use)

/** Public halves of the keys that a gateway holds, as a binding names them. */
export const named = ({
  keys,
}: Pick<RoutedIdentity, 'keys'>): { sign: string; box: string; tls: string } => ({
  sign: base64url(keys.sign.publicKey),
  box: base64url(keys.box.publicKey),
  tls: keys.tlsHash,
})
