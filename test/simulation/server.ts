import { copyFileSync, existsSync, rmSync } from 'node:fs'
import { hex } from '../../src/base/bytes.ts'
import type { Clock } from '../../src/base/clock.ts'
import { makeLog } from '../../src/base/log.ts'
import { type CommandTrust, makeCommander } from '../../src/receiver/command-dispatch.ts'
import type { Outgoing } from '../../src/receiver/receipts.ts'
import { makeReceive, type Receive } from '../../src/receiver/receive.ts'
import { openStore, type Store } from '../../src/receiver/store.ts'
import type { Message, Trust } from '../../src/receiver/verify.ts'
import { signingKey } from '../../src/wire/keys.ts'
import type { Event } from '../history/history.ts'
import { boundAs, type Holder, server as keys, morning, registry } from '../receiver/fixture.ts'
import type { Random } from '../way/random.ts'
import { schedule } from './schedule.ts'

/** What came, and the flag that must tell of it if it is an attack. */
export interface Arrival {
  message: Message
  attack?: { gateway: string; flag: string }
}

/** Under which commands are given. */
export const commandKey = signingKey(new Uint8Array(32).fill(4))
export const serverName = keys.id

/** How far the server's tables were read into the history. */
interface Read {
  chain: number
  reading: number
  flag: number
}

/** Most messages that one transaction takes. */
const batchLimit = 16

/** The real receiver over a real database that may die between any two steps, and be set back to a backup. */
export class Server {
  isUp = true
  /** It dies so many batches from now, after the commit and before anything of it is sent. */
  diesIn = Number.POSITIVE_INFINITY
  readonly trust: Trust
  /** The keys of each gateway, the newest last. */
  readonly holders = new Map<string, Holder[]>()
  /** When its last backup was made, steady time. */
  backedUp: number | undefined
  private readonly known = registry()
  private store: Store
  private receive: Receive
  private read: Read = { chain: 0, reading: 0, flag: 0 }
  private readAtBackup: Read = this.read
  private readonly inbox: Arrival[] = []
  private turn = false
  private readonly path: string
  private readonly random: Random
  private readonly write: (event: Event) => void
  private readonly hand: (out: Outgoing) => void
  private readonly died: () => void

  constructor(
    path: string,
    random: Random,
    { write, hand, died }: { write(event: Event): void; hand(out: Outgoing): void; died(): void },
  ) {
    this.path = path
    this.random = random
    this.write = write
    this.hand = hand
    this.died = died
    const version = (id: string): number => this.known.gateways.get(id)?.version ?? 0
    const versions = (id: string) => ({ binding: version(id), serverEntry: 1, devices: 1, revocations: 0 })
    this.trust = { ...this.known.trust, revoked: () => undefined, versions }
    const opened = this.open()
    this.store = opened.store
    this.receive = opened.receive
  }

  /** Binds a gateway to these keys; it keeps those that it had. */
  bind(holder: Holder): number {
    const before = this.holders.get(holder.id) ?? []
    this.holders.set(holder.id, [...before, holder])
    this.known.older.set(
      holder.id,
      before.map((one, at) => boundAs(one, at + 1)),
    )
    this.known.gateways.set(holder.id, boundAs(holder, before.length + 1))
    return before.length + 1
  }

  /** Something comes in; whoever is not there does not hear it. */
  hear(arrival: Arrival): void {
    if (!this.isUp) return
    this.inbox.push(arrival)
    if (this.turn) return
    this.turn = true
    schedule().always(1 + this.random.next() * 30, () => this.take())
  }

  /** An operator wants something done. */
  command(gateway: string, intent: string): void {
    if (!this.isUp) return
    const now = this.clock.now()
    this.store.write(() =>
      this.store.run(
        'INSERT INTO intents (intent, gateway, verb, args, orders, actor, made, until) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
        ...[intent, gateway, 'ping', '{}', null, 'operator', now, now + 900_000],
      ),
    )
  }

  crash(): void {
    if (!this.isUp) return
    this.isUp = false
    this.inbox.length = 0
    this.store.close()
    this.diesIn = Number.POSITIVE_INFINITY
    this.died()
  }

  start(): void {
    if (this.isUp) return
    Object.assign(this, this.open())
    this.isUp = true
  }

  /** Copies the database as it is. */
  backUp(): void {
    if (!this.isUp) return
    this.store.db.pragma('wal_checkpoint(TRUNCATE)')
    copyFileSync(this.path, `${this.path}.backup`)
    this.backedUp = schedule().now
    this.readAtBackup = this.read
    this.write({ op: 'fault', what: 'backup', detail: { server: serverName } })
  }

  /** Goes back to the last backup; what came since is gone here. */
  restore(): void {
    if (this.backedUp === undefined || !this.isUp) return
    this.store.close()
    this.inbox.length = 0
    for (const end of ['-wal', '-shm']) if (existsSync(this.path + end)) rmSync(this.path + end)
    copyFileSync(`${this.path}.backup`, this.path)
    this.read = this.readAtBackup
    this.write({ op: 'fault', what: 'restored', detail: { server: serverName } })
    Object.assign(this, this.open())
  }

  close(): void {
    if (this.isUp) this.store.close()
  }

  readonly clock: Clock = { now: () => morning + Math.floor(schedule().now), mono: () => schedule().now }

  private open(): { store: Store; receive: Receive } {
    const store = openStore(this.path)
    const log = makeLog('silent')
    const server = { ...this.trust.server, command: commandKey }
    const trust: Trust & CommandTrust = {
      ...this.trust,
      server: server as CommandTrust['server'],
      keys: { ...this.trust.keys, answering: () => server as never },
      moved: () => undefined,
      statement: () => undefined,
      operators: () => [],
      revocationStatements: () => [],
      underRoot: () => true,
    } as never
    const commander = makeCommander(store, trust, log, this.clock.mono)
    return { store, receive: makeReceive({ store, trust, clock: this.clock, log, commander }) }
  }

  private take(): void {
    this.turn = false
    if (!this.isUp || this.inbox.length === 0) return
    const batch = this.inbox.splice(0, this.random.between(1, batchLimit))
    for (const { attack } of batch) if (attack !== undefined) this.write({ op: 'attack', ...attack })
    const out = this.receive(batch.map(one => one.message))
    this.observe()
    this.diesIn--
    if (this.diesIn < 0) {
      this.crash()
      return
    }
    for (const one of out) this.hand(one)
    if (this.inbox.length === 0) return
    this.turn = true
    schedule().always(1 + this.random.next() * 30, () => this.take())
  }

  /** Writes down what is new in the tables: these are committed. */
  private observe(): void {
    const tell = ({ id: _, ...row }: Stored): void => this.write({ op: 'stored', server: serverName, ...row })
    const rows = this.store.all<Stored>(
      "SELECT id, gateway, epoch, seq, head FROM chains WHERE id > ? AND type <> 'reading' ORDER BY id",
      this.read.chain,
    )
    const readings = this.store.all<Stored>(
      `SELECT readings.id, gateway, epoch, seq, chains.head, readings.raw AS value
       FROM readings LEFT JOIN chains USING (gateway, epoch, seq, hash) WHERE readings.id > ? ORDER BY readings.id`,
      this.read.reading,
    )
    for (const row of [...rows, ...readings]) tell(row)
    const chain = rows.at(-1)?.id ?? this.read.chain
    const reading = readings.at(-1)?.id ?? this.read.reading
    this.read = { ...this.read, chain, reading }
    const flags = this.store.all<{ id: number; flag: string; gateway: string | null }>(
      "SELECT id, flag, gateway FROM flag_acts WHERE act = 'raised' AND id > ? ORDER BY id",
      this.read.flag,
    )
    for (const { id, flag, gateway } of flags) {
      this.read = { ...this.read, flag: id }
      this.write({ op: 'flag', server: serverName, gateway: gateway ?? '', flag })
    }
  }
}

interface Stored {
  id: number
  gateway: string
  epoch: string
  seq: number
  head: string
  value?: string
}

/** The hex of what a device prints: unlike every other. */
export const printed = (words: string): string => hex(Buffer.from(words))
