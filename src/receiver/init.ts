import { base64url, unbase64url } from '../base/bytes.ts'
import { makePrivateFolder, readTextFile } from '../base/files.ts'
import { usage } from '../base/output.ts'
import { type SigningKey, verifyKey } from '../wire/keys.ts'
import { type ServerEntry, signRegistry, verifyRegistry } from '../wire/registry.ts'
import { rootWords } from '../wire/words.ts'
import { certificatePin } from './authority.ts'
import { makeCertificates, makeKeys, type Plan } from './init-keys.ts'
import { copyRoot } from './init-root.ts'
import { keepHead } from './registry-head.ts'
import { insertStatement, newestRows, statementOf } from './registry-rows.ts'
import {
  type Facts,
  isInitialised,
  ownLock,
  paths,
  readFacts,
  readServerKeys,
  readSigner,
  writeFacts,
} from './state.ts'
import { openStore } from './store.ts'

/** What `init` answers: the facts, the root's six words, and whether all of it was there before. */
export interface Initialised {
  facts: Facts
  words: string[]
  already: boolean
}

const year = 365.25 * 86_400_000
const serverEntryYears = 5

const answer = (facts: Facts, already: boolean): Initialised => ({
  facts,
  words: rootWords(unbase64url(facts.root)),
  already,
})

const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host)

/** The addresses that the server entry tells to gateways. */
const brokersOf = ({ announced, broker, hosts, port }: Plan): string[] =>
  announced.length > 0
    ? announced
    : broker === 'embedded'
      ? hosts.map(host => `mqtts://${bracketed(host)}:${port}`)
      : [broker]

/** The server entry that a plan makes, without its signature. */
function entryOf(state: string, plan: Plan): Omit<ServerEntry, 'kid'> {
  const at = paths(state)
  const { id, box, receipt, command } = readServerKeys(state)
  return {
    server: id,
    version: 1,
    keys: {
      box: base64url(box.publicKey),
      receipt: base64url(receipt.publicKey),
      command: base64url(command.publicKey),
    },
    brokers: brokersOf(plan),
    ca: [readTextFile(at.authorityCertificate)],
    pins: [certificatePin(readTextFile(at.brokerCertificate))],
    from: plan.now,
    until: plan.now + serverEntryYears * year,
  }
}

/** Signs what a registry begins with, the operator and the server entry, unless it was done before. */
async function signFirst(state: string, plan: Plan, root: SigningKey, client: string): Promise<void> {
  const store = openStore(paths(state).database)
  try {
    const server = readServerKeys(state).id
    const [row] = newestRows(store.db)('server-entry', server)
    if (row !== undefined) {
      const { brokers } = verifyRegistry('server-entry', statementOf(row), verifyKey(root.publicKey))
      if (brokers.join() === brokersOf(plan).join()) return
      throw usage(`an interrupted init has signed ${brokers.join(', ')} already`, 'type it as the first time')
    }
    await makeCertificates(state, plan, client)
    const operator = readSigner(state, 'operator', ownLock(state))
    const entry = signRegistry('server-entry', entryOf(state, plan), root)
    const certified = signRegistry(
      'operator',
      { operator: plan.operator, key: base64url(operator.publicKey), since: plan.now },
      root,
    )
    store.write(() => {
      const row = { version: 1, at: plan.now, actor: 'init' }
      insertStatement(store.db, { ...row, subject: plan.operator, statement: certified })
      insertStatement(store.db, { ...row, subject: server, statement: entry })
    })
    keepHead(state, store.db)
  } finally {
    store.close()
  }
}

/**
 * Makes a registry and a server in a state folder. Done again it changes nothing and says so; cut short,
 * the same call goes on where it stopped, for `receiver.json` is written last. No key is ever overwritten.
 * `passphrase` is asked for only when something is to be done. Without a plan it only tells what is there.
 */
export async function initialise(
  state: string,
  plan: Plan | undefined,
  passphrase: () => Promise<string>,
): Promise<Initialised> {
  if (plan === undefined || isInitialised(state)) return answer(readFacts(state), true)
  makePrivateFolder(state)
  const lock = { passphrase: await passphrase() }
  if (plan.rootFrom !== undefined) copyRoot(state, plan.rootFrom, lock.passphrase)
  await makeKeys(state, lock)
  const root = readSigner(state, 'root', lock)
  const successor = readSigner(state, 'successor', lock)
  const { id } = readServerKeys(state)
  const client = `receiver-${id.slice(0, 8)}`
  await signFirst(state, plan, root, client)
  const facts: Facts = {
    receiver: 1,
    server: id,
    root: base64url(root.publicKey),
    successor: base64url(successor.publicKey),
    operator: plan.operator,
    broker: plan.broker,
    hosts: plan.hosts,
    port: plan.port,
    client,
  }
  writeFacts(state, facts)
  return answer(facts, false)
}
