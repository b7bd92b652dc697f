import { X509Certificate } from 'node:crypto'
import { Fault } from '../base/fault.ts'
import { reportOf } from './heard.ts'
import { isRevoked, type Registry } from './registry.ts'
import { appendLog } from './registry-log.ts'
import { newestCertificate, spanOf } from './renewals.ts'
import { names } from './server-keyring.ts'
import { forgetAuthorities, forgetKeys } from './server-keys.ts'
import { type KeySet, readAuthorities, readKeySets } from './state.ts'
import type { Store } from './store.ts'

/** Why a gateway still needs keys of this server. */
export interface Keeper {
  gateway: string
  why: 'unheard' | 'present' | 'outstanding'
}

/** Keys of this server as people look at them. */
export interface KeyLine {
  /** The versions of the server entries that name them; none while the entry waits for its signature. */
  versions: number[]
  /** When the first of these entries came into force, milliseconds since 1970; null while it waits. */
  since: number | null
  state: 'newest' | 'former' | 'waiting'
  kids: { box: string; receipt: string; command: string }
  /** Whether broker and receiver show the certificates that were made with them. */
  shown: boolean
  /** How many gateways have one of these entries, by their last hello. */
  gateways: number
  keepers: Keeper[]
}

/** Those that may still come: revoked ones are not believed, whatever they sealed. */
const livingGateways = (registry: Registry): string[] =>
  registry.gateways().filter(id => registry.gateway(id) !== undefined && !isRevoked(registry, id))

/** The keys of the entry that a gateway holds; by what it seals to where this registry has not that entry. */
function ownKeys(
  registry: Registry,
  sets: readonly KeySet[],
  entry: number,
  akid: string,
): KeySet | undefined {
  const held = registry.entries().find(one => one.version === entry)
  const named = held === undefined ? undefined : sets.find(one => names(held, one))
  return named ?? sets.find(one => one.keys.box.kid === akid)
}

/** Which keys a gateway needs, and why: for each of the sets, or undefined. */
function neededBy(
  store: Store,
  registry: Registry,
  sets: readonly KeySet[],
  gateway: string,
): { own: KeySet | undefined; why: (keys: KeySet) => Keeper['why'] | undefined } {
  const report = reportOf(store, gateway)
  if (report === undefined) return { own: undefined, why: () => 'unheard' }
  const own = ownKeys(registry, sets, report.entry, report.akid)
  const moved = registry.moved(gateway)
  if (moved !== undefined && report.binding >= moved.version) {
    // it seals nothing to this server any more, and takes no later entry: what it named last is all there is
    return { own, why: () => (report.empty ? undefined : 'outstanding') }
  }
  const place = own === undefined ? 0 : sets.indexOf(own)
  // later ones too: it may have been handed their entry, and go over to it at any time
  const isReached = (keys: KeySet): boolean => sets.indexOf(keys) >= place
  return { own, why: keys => (isReached(keys) ? 'present' : report.drained ? undefined : 'outstanding') }
}

/** All keys that are kept, oldest first, with what keeps them. */
export function keyLines(state: string, store: Store, registry: Registry): KeyLine[] {
  const sets = readKeySets(state)
  const needs = livingGateways(registry).map(gateway => ({
    gateway,
    ...neededBy(store, registry, sets, gateway),
  }))
  const newest = sets.findLast(one => registry.entries().some(entry => names(entry, one)))
  return sets.map((set, place) => {
    const { box, receipt, command } = set.keys
    const entries = registry.entries().filter(entry => names(entry, set))
    return {
      versions: entries.map(one => one.version),
      since: entries[0]?.from ?? null,
      state: entries.length === 0 ? 'waiting' : set === newest ? 'newest' : 'former',
      kids: { box: box.kid, receipt: receipt.kid, command: command.kid },
      shown: place === 0,
      gateways: needs.filter(one => one.own === set).length,
      keepers:
        set === newest || entries.length === 0
          ? []
          : needs.flatMap(({ gateway, why }) => {
              const reason = why(set)
              return reason === undefined ? [] : [{ gateway, why: reason }]
            }),
    }
  })
}

const reasons: Record<Keeper['why'], string> = {
  unheard: 'was never heard',
  present: 'has not reported a later entry',
  outstanding: 'has rows outstanding that may be sealed to them',
}

/** Most gateways that a refusal names. */
const named = 8

/** What keeps keys, in a sentence. */
export function tellKeepers(keepers: readonly Keeper[]): string {
  const all = keepers.slice(0, named).map(({ gateway, why }) => `${gateway} ${reasons[why]}`)
  const more = keepers.length - all.length
  return [...all, ...(more > 0 ? [`and ${more} more`] : [])].join('; ')
}

/**
 * The keys that an entry of this version names; undefined where they were given up before. Faults
 * `registry.unknown`, `registry.known` for the newest.
 */
export function keysToForget(
  registry: Registry,
  lines: readonly KeyLine[],
  version: number,
): KeyLine | undefined {
  const line = lines.find(one => one.versions.includes(version))
  if (line === undefined) {
    if (registry.entries().some(one => one.version === version)) return undefined
    throw new Fault('registry.unknown', `there is no server entry ${version}`, {
      hint: 'see which there are: vitalgate-receiver keys list',
    })
  }
  if (line.state !== 'newest') return line
  throw new Fault('registry.known', `the keys of server entry ${version} are the newest: they stay`, {
    hint: 'make new ones first: vitalgate-receiver keys rotate',
  })
}

/** What became of the CAs of keys that were given up: how many went, and for whose certificates others stay. */
export interface Forgotten {
  authoritiesGone: number
  authoritiesKeptFor: string[]
}

function issuedBy(certificate: string, authority: string): boolean {
  try {
    return new X509Certificate(certificate).verify(new X509Certificate(authority).publicKey)
  } catch {
    // what cannot be read needs no CA; `registry verify` tells of it. Errors of node:crypto have no class to ask for
    return false
  }
}

/** The gateways whose newest certificate is not known to be under another CA, or which were not heard since. */
const certifiedUnder = (store: Store, registry: Registry, authority: string): string[] =>
  livingGateways(registry).filter(gateway => {
    const newest = newestCertificate(store.db, gateway, registry.gateway(gateway)!.tls)
    if (newest === undefined) return false
    const heard = reportOf(store, gateway)?.at ?? 0
    return issuedBy(newest, authority) || heard < issuedAt(newest)
  })

const day = 86_400_000

/** When a certificate was issued: they are dated a day back. */
const issuedAt = (certificate: string): number => spanOf(certificate).from + day

/**
 * Gives up the keys that a former entry names, and the CAs that nothing needs any more. Without `anyway` only what
 * no gateway needs: fault `registry.known` names those that do. Done again it changes nothing.
 */
export function forgetServerKeys(
  state: string,
  store: Store,
  registry: Registry,
  line: KeyLine | undefined,
  { anyway, actor, now }: { anyway: boolean; actor: string; now: number },
): Forgotten {
  if (line !== undefined && line.keepers.length > 0 && !anyway) {
    throw new Fault(
      'registry.known',
      `the keys of server entry ${line.versions.join(', ')} are needed: ${tellKeepers(line.keepers)}`,
      {
        hint: 'wait until they were heard, revoke those that never come again, or give the keys up with --anyway',
      },
    )
  }
  if (line !== undefined) forgetKeys(state, line.kids.box, registry.facts)
  const sets = readKeySets(state)
  const kept = new Set<string>()
  const before = readAuthorities(state).length
  forgetAuthorities(state, registry.facts, certificate => {
    const users = certifiedUnder(store, registry, certificate)
    for (const one of users) kept.add(one)
    return users.length > 0 || sets.some(one => one.authority === certificate)
  })
  const authoritiesGone = before - readAuthorities(state).length
  const gone = [
    ...(line === undefined
      ? []
      : [`keys of server-entry ${line.versions.join(', ')} (box key ${line.kids.box})`]),
    ...(authoritiesGone === 0 ? [] : [`${authoritiesGone} CA`]),
  ]
  // a running receiver looks at its keys again when the log grows
  if (gone.length > 0) {
    const subject = gone.join(' and ')
    store.write(() => appendLog(store.db, { at: now, actor, act: 'forgotten', hash: null, subject }))
  }
  return { authoritiesGone, authoritiesKeptFor: [...kept].sort() }
}
