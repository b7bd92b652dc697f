import { base64url } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { isThere, writeFileAtomic, writeSecretFile } from '../base/files.ts'
import { makePair } from '../wire/keys.ts'
import { issueClient, issueServer, makeAuthority, makeTlsKey } from './authority.ts'
import { hostIn } from './broker-address.ts'
import {
  type Authority,
  type Facts,
  type KeySet,
  ownLock,
  paths,
  readAuthorities,
  readKeySets,
  readSecrets,
  type Secrets,
  writeFacts,
  writeSecrets,
} from './state.ts'

/** Keys kept at a time: as many as a server entry may pin (WIRE 1.5). */
const setsLimit = 8

/** CAs that count at a time: as many as a server entry may name. */
const authoritiesLimit = 4

/** What new keys are made for. */
export interface NextKeys {
  facts: Pick<Facts, 'server' | 'hosts' | 'certified' | 'client' | 'broker'>
  /** Whether with a new CA as well. */
  authority: boolean
  now: number
}

const makeSeed = (): string => base64url(makePair('ed25519').secret)

/**
 * The newest authority, or a new one beside those that are there. One that no keys were made under is what an
 * interrupted call left: it is taken.
 */
async function nextAuthority(
  state: string,
  { facts, authority, now }: NextKeys,
  sets: readonly KeySet[],
): Promise<Authority> {
  const all = readAuthorities(state)
  const newest = all.at(-1)!
  if (!authority || !sets.some(one => one.authority === newest.certificate)) return newest
  if (all.length >= authoritiesLimit) {
    throw new Fault('registry.known', `${all.length} CAs count already`, {
      hint: 'give up the oldest keys first: vitalgate-receiver keys list',
    })
  }
  const key = await makeTlsKey()
  const certificate = await makeAuthority(
    key,
    `Vitalgate CA ${facts.server.slice(0, 8)}.${all.length + 1}`,
    now,
  )
  const held = readSecrets(state, 'authority', ownLock(state))
  writeSecrets(
    state,
    'authority',
    { ...held, later: [...(held.later ?? []), { key, certificate }] },
    ownLock(state),
  )
  return { key, certificate }
}

/**
 * Makes the server's next keys beside those that are there; on disk when it returns, before anything can be signed
 * that names them. Faults `registry.known` where too many are kept, `key.…`, `disk.full`.
 */
export async function makeNextKeys(state: string, next: NextKeys): Promise<KeySet> {
  const sets = readKeySets(state)
  if (sets.length >= setsLimit) {
    throw new Fault('registry.known', `${sets.length} keys of this server are kept already`, {
      hint: 'give up the oldest first: vitalgate-receiver keys list',
    })
  }
  const authority = await nextAuthority(state, next, sets)
  const { clientKey, ...held } = readSecrets(state, 'server', ownLock(state))
  const brokerKey = await makeTlsKey()
  const { facts, now } = next
  const made = {
    box: base64url(makePair('x25519').secret),
    receipt: makeSeed(),
    command: makeSeed(),
    brokerKey,
    certificates: {
      broker: await issueServer(authority, brokerKey, [...facts.hosts, ...(facts.certified ?? [])], now),
      client: await issueClient(authority, facts.client, clientKey, now),
      authority: authority.certificate,
    },
  }
  const later = [...(held.later ?? []), made]
  writeSecrets(state, 'server', { ...held, clientKey, format: 2, later }, ownLock(state))
  return readKeySets(state).at(-1)!
}

/** Hosts of one certificate: those of the machine, and of the addresses that gateways are told. */
const hostsLimit = 16

/**
 * Gives the broker's certificates the hosts of these addresses, beside those that they have: the same keys, so that
 * pins hold. Faults `registry.known` where there are too many, `key.…`.
 */
export async function certifyHosts(
  state: string,
  facts: Facts,
  brokers: readonly string[],
  now: number,
): Promise<void> {
  const hosts = [
    ...new Set([...facts.hosts, ...(facts.certified ?? []), ...brokers.map(url => hostIn(url).host)]),
  ]
  const known = new Set([...facts.hosts, ...(facts.certified ?? [])])
  if (hosts.every(host => known.has(host))) return
  if (hosts.length > hostsLimit) {
    throw new Fault(
      'registry.known',
      `the broker's certificate would name ${hosts.length} hosts, at most ${hostsLimit}`,
    )
  }
  const authorities = readAuthorities(state)
  const broker = await Promise.all(
    readKeySets(state).map(async ({ broker, client, authority }) => {
      const issuer = authorities.find(one => one.certificate === authority)
      if (issuer === undefined) throw new Fault('key.missing', 'the key of a CA is gone')
      return {
        broker: await issueServer(issuer, broker.key, hosts, now),
        client: client.certificate,
        authority,
      }
    }),
  )
  const { later = [], ...first } = readSecrets(state, 'server', ownLock(state))
  const [shown, ...others] = broker
  const renewed = later.map((one, at) => ({ ...one, certificates: others[at]! }))
  writeSecrets(state, 'server', { ...first, format: 2, certificates: shown!, later: renewed }, ownLock(state))
  writeFacts(state, { ...facts, certified: hosts.filter(host => !facts.hosts.includes(host)) })
  showFirst(state, readKeySets(state), facts.broker)
}

/** Removes the newest keys, which nothing that was signed names. */
export function dropNextKeys(state: string): void {
  const { later = [], ...held } = readSecrets(state, 'server', ownLock(state))
  writeSecrets(state, 'server', { ...held, later: later.slice(0, -1) }, ownLock(state))
}

/** The files for people and for a broker of their own follow what is shown: a copy, never read where keys were rotated. */
function showFirst(state: string, [first]: readonly KeySet[], broker: string): void {
  const at = paths(state)
  const [authority] = readAuthorities(state)
  writeFileAtomic(at.authorityCertificate, authority!.certificate)
  writeFileAtomic(at.brokerCertificate, first!.broker.certificate)
  writeFileAtomic(at.clientCertificate, first!.client.certificate)
  if (broker !== 'embedded' || isThere(at.brokerKey)) writeSecretFile(at.brokerKey, first!.broker.key)
}

/**
 * Gives up keys for ever: whatever is sealed to them opens no more. Never the newest, which is a bug of the caller.
 * Done again it brings the public files up to date.
 */
export function forgetKeys(state: string, boxKid: string, facts: Pick<Facts, 'broker'>): void {
  const sets = readKeySets(state)
  const place = sets.findIndex(one => one.keys.box.kid === boxKid)
  if (place === sets.length - 1) throw new Error('the newest keys are never given up')
  if (place >= 0) {
    const {
      later = [],
      box,
      receipt,
      command,
      brokerKey,
      certificates,
      ...rest
    } = readSecrets(state, 'server', ownLock(state))
    const shown = sets[0]!
    const all = [
      {
        ...{ box, receipt, command, brokerKey },
        certificates: certificates ?? {
          broker: shown.broker.certificate,
          client: shown.client.certificate,
          authority: shown.authority,
        },
      },
      ...later,
    ]
    const [first, ...others] = all.toSpliced(place, 1)
    const kept: Secrets<'server'> = { ...rest, format: 2, ...first!, later: others }
    writeSecrets(state, 'server', kept, ownLock(state))
  }
  showFirst(state, readKeySets(state), facts.broker)
}

/** Gives up CAs: `keeps` tells which certificate still counts. The newest stays. True where any went. */
export function forgetAuthorities(
  state: string,
  facts: Pick<Facts, 'broker'>,
  keeps: (certificate: string) => boolean,
): boolean {
  const all = readAuthorities(state)
  const [first, ...later] = all.filter((one, at) => at === all.length - 1 || keeps(one.certificate))
  if (later.length === all.length - 1) return false
  writeSecrets(state, 'authority', { ...first!, later }, ownLock(state))
  showFirst(state, readKeySets(state), facts.broker)
  return true
}
