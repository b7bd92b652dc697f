import { randomBytes } from 'node:crypto'
import { base32, base64url } from '../../src/base/bytes.ts'
import { isFault } from '../../src/base/fault.ts'
import { headZero, nextHead } from '../../src/wire/chain.ts'
import { open, unpack } from '../../src/wire/envelope.ts'
import { type BoxKey, boxKey, boxPublic, makePair, type SigningKey, signingKey } from '../../src/wire/keys.ts'
import { type SealedType, signAndSeal } from '../../src/wire/message.ts'
import { type Bundle, type Request, signRegistry } from '../../src/wire/registry.ts'
import { decodeBody, type PublicStatement, publish, type Statement } from '../../src/wire/statement.ts'
import { topics } from '../../src/wire/topics.ts'
import { certify, makeBundle, type StandIn } from '../identity/registry-stand-in.ts'
import { type Manners, makeBroker } from '../uplink/broker.ts'

const since = 1_700_000_000_000
const until = 4_000_000_000_000

/** What came up: its type and body, opened as its server opens it; `to` is the key id that it was sealed to. */
export interface Came {
  type: string
  body: Record<string, never> & { nonce?: string; event?: string; detail?: Record<string, unknown> }
  epoch: string
  seq: number
  to: string
}

interface ServerKeys {
  box: BoxKey
  receipt: SigningKey
  command: SigningKey
}

const newKeys = (): ServerKeys => ({
  box: boxKey(makePair('x25519').secret),
  receipt: signingKey(makePair('ed25519').secret),
  command: signingKey(makePair('ed25519').secret),
})

const until_ = async (happened: () => boolean): Promise<void> => {
  while (!happened()) await new Promise(resolve => setTimeout(resolve, 5))
}

/**
 * A server as far as one gateway needs it: it holds what comes, and each welcome says so. Made of what the
 * specification says, not of the receiver's code.
 */
export async function makeServer(registry: StandIn, manners: Pick<Manners, 'admits'> = {}) {
  const id = base32(randomBytes(16))
  const entries: ServerKeys[] = [newKeys()]
  const came: Came[] = []
  /** Heads by epoch and seq, as its own reckoning has them. */
  const heads = new Map<string, string>()
  const world = { answers: true, confirms: true }
  let gateway: { id: string; box: Uint8Array } = { id: '', box: new Uint8Array() }
  let token = 0
  let hello: { nonce: string; version: number } | undefined

  const keysOf = (version: number): ServerKeys => entries[version - 1]!
  const say = (type: SealedType, key: SigningKey, members: object): void => {
    const to = { id: gateway.id, box: boxPublic(gateway.box) }
    const { envelope } = signAndSeal(type, { id, key }, to, members)
    broker.say(topics(id, gateway.id).down, envelope)
  }

  const opened = (envelope: Uint8Array): { statement: Statement; to: string } => {
    for (const { box } of entries) {
      try {
        return { statement: open(envelope, box), to: box.kid }
      } catch (error) {
        if (!isFault(error)) throw error // sealed to another of its keys
      }
    }
    throw new Error('sealed to no key of this server')
  }

  /** How far it holds an epoch without a gap (WIRE 7.2). */
  const answerTo = ({ epoch, seq: asked, head }: { epoch: string; seq: number; head: string }) => {
    let seq = 0
    while (seq < asked && heads.has(`${epoch} ${seq + 1}`)) seq++
    const own = heads.get(`${epoch} ${seq}`)
    const zero = came.find(one => one.epoch === epoch && one.seq === 1)
    const at = own ?? (zero === undefined ? head : String(zero.body.prev))
    return { epoch, seq, head: at, holes: [] }
  }

  const broker = await makeBroker({
    ...manners,
    heard: payload => {
      const { epoch, seq, envelope } = unpack(payload)
      const { statement, to } = opened(envelope)
      const body = decodeBody(statement.body) as Came['body']
      if (heads.get(`${epoch} ${seq}`) === undefined)
        came.push({ type: statement.type, body, epoch, seq, to })
      if (seq > 0) heads.set(`${epoch} ${seq}`, nextHead(String(body.prev), envelope))
      if (statement.type !== 'hello' || !world.answers) return
      const { nonce, versions, epochs } = body as unknown as {
        nonce: string
        versions: { serverEntry: number }
        epochs: { epoch: string; seq: number; head: string }[]
      }
      token++
      hello = { nonce, version: versions.serverEntry }
      say('welcome', keysOf(versions.serverEntry).receipt, {
        ...{ nonce, serverNonce: '12'.repeat(16), status: 'ok', token, time: Date.now() },
        epochs: world.confirms ? epochs.map(answerTo) : [],
        ...{ minVersion: '0.1.0', versions },
      })
    },
  })

  const entry = (version: number): PublicStatement => {
    const { box, receipt, command } = keysOf(version)
    const keys = {
      box: base64url(box.publicKey),
      receipt: base64url(receipt.publicKey),
      command: base64url(command.publicKey),
    }
    const { broker: address, ca, pins } = broker.address
    const own = { server: id, version, keys, brokers: [address], ca: [...ca, registry.ca], pins: [...pins] }
    return publish(signRegistry('server-entry', { ...own, from: since, until }, registry.root))
  }

  return {
    id,
    came,
    world,
    broker,
    entry,
    /** Which gateway it speaks with. */
    know(box: { id: string; box: Uint8Array }) {
      gateway = box
    },
    /** One more entry with keys of its own; its version. */
    rotate: () => entries.push(newKeys()),
    boxKid: (version: number) => keysOf(version).box.kid,
    bundle: (request: Request, bindingVersion: number): Bundle => ({
      ...makeBundle(registry, request, { server: id, bindingVersion }),
      serverEntry: entry(entries.length),
    }),
    certify: (csr: string) => certify(registry, csr),
    /** Hands over statements, in answer to the last hello. */
    async update(statements: PublicStatement[], certificate?: string) {
      await until_(() => hello !== undefined)
      const { nonce, version } = hello!
      const with_ = certificate === undefined ? {} : { certificate }
      say('update', keysOf(version).receipt, { nonce, statements, ...with_ })
    },
    async command(verb: string) {
      await until_(() => hello !== undefined)
      const { nonce, version } = hello!
      const intent = randomBytes(16).toString('hex')
      say('command', keysOf(version).command, { nonce, intent, verb, args: {}, order: null })
    },
    zeroOf: (epoch: string, kid: string) => headZero(epoch, { gateway: gateway.id, server: id, kid }),
    /** What came of a type of event, in its order. */
    events: (name: string) => came.filter(one => one.body.event === name),
    stop: () => broker.stop(),
  }
}

export type Server = Awaited<ReturnType<typeof makeServer>>
