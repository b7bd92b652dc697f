import { openSync, readFileSync, writeSync } from 'node:fs'
import { type Custody, openCustody, type Place } from '../../src/daemon/custody.ts'
import type { Draft } from '../../src/wire/chained.ts'
import { signingKey } from '../../src/wire/keys.ts'
import { signStatement } from '../../src/wire/statement.ts'
import { type Random, seededRandom } from '../way/random.ts'
import type { Word } from './told.ts'

// A daemon in small, to be cut off: it takes, settles and forgets by a plan, and tells what it was promised.
const [settingsFile = '', tellFile = '', plan = '', seed = '0'] = process.argv.slice(2)
const plain = JSON.parse(readFileSync(settingsFile, 'utf8')) as Record<string, string>
const bytes = (name: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(plain[name]!, 'hex'))
const random: Random = seededRandom(Number(seed))
const receiptKey = signingKey(bytes('receiptSeed'))
const parties = { iss: plain.server!, kid: receiptKey.kid, aud: plain.gateway!, akid: '00'.repeat(8) }
const boot = '0123456789abcdef0123456789abcdef'
const tellTo = openSync(tellFile, 'a')
const tell = (word: Word): number => writeSync(tellTo, `${JSON.stringify(word)}\n`)

let mono = 0
// the life after a cut is a later one
let wall = 1_780_000_000_000 + (plan === 'second' ? 1_000_000 : 0)
const time = (): Draft['time'] => {
  mono += 1
  return { wall, source: 'ntp', uncertainty: 5, boot, mono }
}

const reading = (length: number): Draft => ({
  type: 'reading',
  time: time(),
  members: {
    ...{ station: 'bench', device: 'scale-1', raw: '2b'.repeat(length), notes: [] },
    driver: { id: 'acme-ws100', revision: 1, hash: 'ab'.repeat(32) },
    link: { kind: 'serial', check: 'parity' },
    values: { 'body-weight': { n: 7240, s: 2, u: 'kg' } },
  },
})

/** What one life of the gateway is made of. */
interface Life {
  /** So many readings, asked for at once. */
  take(count: number, length?: number): Promise<void>
  /** The server receipts what was taken up to a place, the last one if none is named. */
  receipt(at?: Place): Promise<void>
  /** A welcome that confirms the same: what was receipted before it is forgotten. */
  welcome(at?: Place): Promise<void>
  /** What waits is handed out to be sent. */
  send(): Promise<void>
  /** A command comes, and is carried out. */
  obey(): Promise<void>
  token(token: number): Promise<void>
  /** A place that was taken so many before the last. */
  back(count: number): Place
}

const places: Place[] = []

function lifeOf(custody: Custody): Life {
  const one = async (draft: Draft): Promise<void> => {
    const place = await custody.take(draft)
    tell({ taken: place })
    places.push(place)
  }
  const back = (count: number): Place => places.at(-1 - count)!
  const answer = ({ epoch, seq, head }: Place) => {
    wall += 1000
    const said = { epoch, seq, head, holes: [] as [number, number][] }
    tell({ given: said })
    return said
  }
  return {
    back,
    take: async (count, length = 16) => {
      await Promise.all(Array.from({ length: count }, () => one(reading(length))))
      places.sort((a, b) => (a.epoch === b.epoch ? a.seq - b.seq : 0))
    },
    receipt: async (at = back(0)) => {
      const body = { ...parties, ...answer(at), time: wall }
      await custody.receipt(body, signStatement('receipt', body, receiptKey))
    },
    welcome: async (at = back(0)) => {
      const versions = { binding: 1, serverEntry: 1, devices: 0, revocations: 0 }
      const body = {
        ...{ ...parties, epochs: [answer(at)], time: wall, nonce: 'cd'.repeat(16), token: 1, versions },
        ...{ serverNonce: '12'.repeat(16), status: 'ok' as const, minVersion: '0.1.0' },
      }
      await custody.welcome(body, signStatement('welcome', body, receiptKey))
    },
    send: async () => void (await custody.due(0, 1000)),
    obey: async () => {
      const intent = Buffer.from(Array.from({ length: 16 }, () => random.between(0, 255))).toString('hex')
      await custody.begin({ intent, verb: 'ping', time: time() })
      tell({ begun: intent })
      await one({ type: 'result', time: time(), members: { intent, outcome: 'done', detail: {} } } as Draft)
      tell({ ended: intent })
    },
    token: async token => {
      const welcome = { ...parties, token, serverNonce: '12'.repeat(16) }
      await custody.ready(welcome as never, 'aa'.repeat(32))
      tell({ token })
    },
  }
}

async function live(what: (life: Life) => Promise<void>): Promise<Custody> {
  const custody = await openCustody({
    ...{ path: plain.path!, quotaBytes: 64 << 20, intakeBytes: 48 << 20, graceMs: 0 },
    ...{ gateway: plain.gateway!, seed: bytes('seed'), server: plain.server!, serverBox: bytes('serverBox') },
    software: '0.1.0',
  })
  if (custody.salvaged !== undefined) tell({ salvaged: custody.salvaged.rows })
  await what(lifeOf(custody))
  return custody
}

const plans: Record<string, () => Promise<void>> = {
  /** The standard workload up to the first power cut: the program ends as it stands. */
  async first() {
    const quiet = await live(async life => {
      await life.take(1)
      await life.take(random.between(4, 8))
      await life.token(3)
      await life.obey()
      await life.take(1, 3000)
      await life.send()
      await life.receipt(life.back(3))
      await life.take(2)
      await life.welcome(life.back(5))
    })
    await quiet.stop()
    await live(async life => {
      for (let n = 0; n < 12; n++) await life.take(1)
      await life.receipt()
      await life.welcome()
      // all of this epoch is forgotten, and its numbers go on
      await life.take(2)
      await life.token(4)
      // more than the journal holds: it is folded into the database under way
      for (let n = random.between(65, 70); n > 0; n--) await life.take(1)
      await life.receipt(life.back(random.between(1, 8)))
    })
    process.exit(0)
  },
  /** After it: what was left is taken up. */
  async second() {
    const again = await live(async life => {
      await life.take(3)
      await life.obey()
      await life.receipt()
      for (let n = 0; n < 8; n++) await life.take(random.between(1, 3), random.between(16, 2500))
      await life.welcome(life.back(4))
      await life.take(1)
    })
    await again.stop()
  },
  /** A start that finds its outbox damaged. */
  async salvaged() {
    const custody = await live(life => life.take(1))
    await custody.stop()
  },
  /** All that the standard workload does, once: for what is tried at every single system call. */
  async small() {
    const custody = await live(async life => {
      await life.take(1)
      await life.take(3)
      await life.receipt(life.back(1))
      await life.welcome(life.back(1))
      await life.take(1)
    })
    await custody.stop()
  },
}

try {
  await plans[plan]!()
} catch (error) {
  tell({ failed: String((error as { code?: unknown }).code ?? error) })
  process.exit(1)
}
