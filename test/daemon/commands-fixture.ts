import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Bytes, base32, hex } from '../../src/base/bytes.ts'
import { systemClock } from '../../src/base/clock.ts'
import { Fault } from '../../src/base/fault.ts'
import { makeLog } from '../../src/base/log.ts'
import type { DeviceState } from '../../src/control/api.ts'
import type { Kept } from '../../src/daemon/captures.ts'
import { actsOf } from '../../src/daemon/commands-acts.ts'
import { type Link, type LinkParts, openLink } from '../../src/daemon/link.ts'
import { liveSettings } from '../../src/daemon/settings.ts'
import { type Config, readConfig } from '../../src/identity/config.ts'
import type { Book } from '../../src/identity/registry-book.ts'
import { after } from '../../src/transport/port.ts'
import { headZero, nextHead } from '../../src/wire/chain.ts'
import { open, unpack } from '../../src/wire/envelope.ts'
import { boxKey, boxPublic, makePair, type SigningKey, signingKey, verifyKey } from '../../src/wire/keys.ts'
import type { Args } from '../../src/wire/members.ts'
import { type SealedType, signAndSeal } from '../../src/wire/message.ts'
import { signRegistry } from '../../src/wire/registry.ts'
import { decodeBody, type PublicStatement, publish } from '../../src/wire/statement.ts'
import { topics } from '../../src/wire/topics.ts'
import { type Broker, makeBroker } from '../uplink/broker.ts'
import { nothingWaits } from './nothing-waits.ts'

export const newId = (): string => base32(randomBytes(16))
export const newIntent = (): string => hex(randomBytes(16))
export const newSigner = (): SigningKey => signingKey(makePair('ed25519').secret)

// within the dates of the certificates, which were made just now (WIRE 8.4)
const start = Date.now()
const boot = 'ab'.repeat(16)
/** When the server entry runs out, by the server's time. */
export const entryUntil = start + 3_600_000

/** What proposing new keys gives. */
export const rotated = {
  ...{ already: false, kid: '01'.repeat(8), next: '02'.repeat(8) },
  words: ['able', 'bone', 'cake', 'dish', 'echo', 'farm'],
}

/** What the gateway said: its type and the body, opened as its server opens it. */
export interface Heard {
  type: string
  body: Record<string, never> & { nonce?: string; intent?: string; event?: string; detail?: object }
}

/** What is told to the gateway; all but the verb has an honest default. */
export interface Told {
  verb: string
  args?: Args
  intent?: string
  nonce?: string
  order?: PublicStatement | null
  key?: SigningKey
  aud?: string
  box?: Bytes
}

/** A folder with an outbox, keys and a server of its own; gateways can be opened on it again and again. */
export async function makeSite() {
  const folder = mkdtempSync(join(tmpdir(), 'vitalgate-commands-'))
  const [gateway, server] = [newId(), newId()]
  const seed = makePair('ed25519').secret
  const [receipt, command, operator] = [newSigner(), newSigner(), newSigner()]
  const box = boxKey(makePair('x25519').secret)
  const serverBox = boxKey(makePair('x25519').secret)
  const { down } = topics(server, gateway)
  const heard: Heard[] = []
  const heads = new Map<string, string>()
  const lines: Record<string, unknown>[] = []
  const left: boolean[] = []
  const signals: string[] = []
  const applied: Config[] = []
  const asked: string[] = []
  // what tests move: the steady clock goes on by itself, the server answers unless told not to
  const world = {
    skewMs: 0,
    answers: true,
    confirms: true,
    serverTime: start,
    revoked: false,
    behind: false,
    unfit: false,
    status: 'ok',
    minVersion: '0.1.0',
    devices: [] as DeviceState[],
    abandoning: nothingWaits,
    capture: { device: 'scale-1', bytes: new Uint8Array(0), full: false } as Kept,
  }
  const clock = { now: () => start, mono: () => systemClock.mono() + world.skewMs }
  const moment = (mono = clock.mono()) => ({
    wall: start,
    source: 'ntp' as const,
    uncertainty: 5,
    boot,
    mono,
  })
  let token = 0
  let broker: Broker | undefined
  let link: Link | undefined

  const say = (
    type: SealedType,
    key: SigningKey,
    members: object,
    aud = gateway,
    to = box.publicKey,
  ): void => {
    const sealed = signAndSeal(type, { id: server, key }, { id: aud, box: boxPublic(to) }, members)
    broker?.say(down, sealed.envelope)
  }

  /** What is held of an epoch without a gap, up to the place that is asked for (WIRE 7.2). */
  const answerTo = ({ epoch, seq: asked }: { epoch: string; seq: number }) => {
    let [seq, head] = [0, headZero(epoch, { gateway, server, kid: signingKey(seed).kid })]
    for (; seq < asked; seq++) {
      const next = heads.get(`${epoch} ${seq + 1}`)
      if (next === undefined) break
      head = next
    }
    return { epoch, seq, head, holes: [] }
  }

  broker = await makeBroker({
    heard: payload => {
      const parcel = unpack(payload)
      const { type, body: bytes } = open(parcel.envelope, serverBox)
      const body = decodeBody(bytes) as Heard['body']
      heard.push({ type, body })
      if (parcel.seq > 0)
        heads.set(`${parcel.epoch} ${parcel.seq}`, nextHead(String(body.prev), parcel.envelope))
      if (type !== 'hello' || !world.answers) return
      token++
      const places = (body as unknown as { epochs: { epoch: string; seq: number }[] }).epochs
      const versions = (body as unknown as { versions: object }).versions
      const epochs = world.confirms ? places.map(answerTo) : []
      const welcome = { nonce: body.nonce, serverNonce: '12'.repeat(16), epochs, status: world.status, token }
      say('welcome', receipt, { ...welcome, time: world.serverTime, minVersion: world.minVersion, versions })
    },
  })
  const { address } = broker

  const book = (): Book =>
    ({
      versions: { devices: 0, revocations: 0 },
      behind: world.behind,
      revokedKeys: [],
      operators: new Map([
        [operator.kid, { name: 'anne', key: verifyKey(operator.publicKey), revoked: world.revoked }],
      ]),
    }) as unknown as Book
  const route = {
    server,
    binding: { version: 1, site: 'site-1' },
    entry: { version: 1, brokers: [address.broker], ca: address.ca, pins: address.pins, until: entryUntil },
    certificate: address.certificate,
    receiptKey: verifyKey(receipt.publicKey),
    commandKey: verifyKey(command.publicKey),
    serverBox: boxPublic(serverBox.publicKey),
  }

  const until = async (happened: () => boolean): Promise<void> => {
    while (!happened()) await new Promise(resolve => setTimeout(resolve, 5))
  }

  /** The nonce of the newest hello, once the gateway has confirmed its welcome. */
  const nonce = async (): Promise<string> => {
    const readies = heard.filter(one => one.type === 'ready').length
    await until(() => heard.filter(one => one.type === 'ready').length > readies)
    return heard.filter(one => one.type === 'hello').at(-1)!.body.nonce!
  }

  return {
    ...{
      route,
      seed,
      serverBox,
      folder,
      gateway,
      server,
      heard,
      lines,
      left,
      signals,
      applied,
      asked,
      world,
      receipt,
      command,
      operator,
      until,
      nonce,
    },
    link: () => link!,
    /** Starts the gateway; `heartbeatMs` apart it asks its server anew. */
    async open(given: Partial<LinkParts> = {}, heartbeatMs = 100) {
      const identity = { gateway, keys: { signSeed: seed, box, tlsKey: address.key }, route } as unknown
      const log = makeLog('info', { write: text => void lines.push(JSON.parse(text)) })
      let shut = false
      const opened = await openLink({
        identity: identity as LinkParts['identity'],
        book: book(),
        update: () => ({ identity: identity as never, book: book(), taken: [], change: undefined }),
        proven: route => route,
        reopen: () => {},
        acts: ({ custody, receipted }) =>
          actsOf({
            ...{ clock, log, receipted, software: '0.1.0', startedMono: clock.mono() },
            moments: { at: moment, stop: () => {} },
            // seconds and minutes of the daemon are milliseconds here
            after: (ms, act) => after(Math.min(ms, 20), act),
            stations: { states: () => world.devices, signal: told => signals.push(told) && 2 },
            stats: custody.stats,
            abandoning: world.abandoning,
            gate: {
              shut: () => {
                shut = true
              },
              open: () => {
                shut = false
              },
            },
            leave: wipe => void left.push(wipe),
            drainMs: { open: 2000, shut: 2000 },
            captures: {
              start: (device, seconds) => void asked.push(`${device} for ${seconds} s`),
              stop: () => world.capture,
              drop: () => void asked.push('drop'),
            },
            takePart: detail =>
              custody.take({ type: 'event', time: moment(), members: { event: 'capture-part', detail } }),
            rotate: async () => {
              asked.push('rotate')
              if (world.unfit)
                throw new Fault('identity.unprovisioned', 'only a provisioned box proposes new keys')
              return rotated
            },
            settings: liveSettings({ state: folder, config: undefined }, config => void applied.push(config)),
          }),
        after: (ms, act) => after(Math.min(ms, 20), act),
        config: { ...readConfig(undefined), uplinkHeartbeatMs: heartbeatMs },
        outboxPath: join(folder, 'outbox.db'),
        clock,
        moments: { at: moment, stop: () => {} },
        log,
        software: '0.1.0',
        driversHash: 'ef'.repeat(32),
        boot,
        broken: why => {
          throw why
        },
        ...given,
      })
      link = opened
      return { link: opened, isShut: () => shut }
    },
    /** Commands the gateway; gives the intent. */
    tell({
      verb,
      args = {},
      intent = newIntent(),
      nonce: named,
      order = null,
      key = command,
      aud,
      box: to,
    }: Told) {
      const nonce = named ?? heard.filter(one => one.type === 'hello').at(-1)?.body.nonce
      say('command', key, { nonce, intent, verb, args, order }, aud, to)
      return intent
    },
    /** An operator's order, as he would give it; some of it changed. */
    order(intent: string, verb: string, changes: object = {}, key = operator): PublicStatement {
      const body = { operator: 'anne', gateway, intent, verb, args: {}, made: start, until: start + 900_000 }
      return publish(signRegistry('order', { ...body, ...changes }, key))
    },
    say,
    results: () => heard.filter(one => one.type === 'result').map(one => one.body),
    refusals: () =>
      heard
        .filter(one => one.body.event === 'command-refused')
        .map(one => one.body.detail as { why: string; intent: string | null; count: number }),
    async shut() {
      await link?.stop()
      link = undefined
    },
    async close() {
      await link?.stop()
      await broker?.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export type CommandSite = Awaited<ReturnType<typeof makeSite>>
