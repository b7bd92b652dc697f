import { hex, sha256 } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { Fault, type FaultCode } from '../base/fault.ts'
import type { Log } from '../base/log.ts'
import type { Drivers } from '../driver/load.ts'
import type { Config } from '../identity/config.ts'
import type { Identity } from '../identity/identity.ts'
import { places } from '../identity/places.ts'
import { readBook } from '../identity/registry-book.ts'
import { takeUpdate } from '../identity/update.ts'
import { bluezRadio } from '../transport/bluez-radio.ts'
import type { After } from '../transport/port.ts'
import type { Radio } from '../transport/radio.ts'
import type { Draft } from '../wire/chained.ts'
import { actsOf, usualDrain } from './commands-acts.ts'
import type { Place } from './custody.ts'
import { type Link, openLink } from './link.ts'
import type { Moments } from './moment.ts'
import { ration } from './ration.ts'
import type { StationEvent } from './station.ts'
import { openStations, type Stations } from './stations.ts'
import { type TakenStream, takenStream } from './taken.ts'
import { wallOf } from './wall.ts'
import { openWays, type Ways } from './ways.ts'

/** What was made ready before anything was started. */
export interface GatewayParts {
  state: string
  software: string
  config: Config
  clock: Clock
  boot: string
  log: Log
  drivers: Drivers
  moments: Moments
  after: After
  /** The machine's own Bluetooth where nothing else is handed in. */
  makeRadio?: () => Radio
  /** Ends the daemon as a signal does, at the word of its server; `wipe` destroys what it knows. */
  leave?: (wipe: boolean) => void
}

type EventMembers = Extract<Draft, { type: 'event' }>['members']

/** The running gateway, as status and the control socket see it. */
export interface Gateway {
  parts: GatewayParts
  startedMono: number
  stations: Stations
  ways: Ways
  taken: TakenStream
  identity(): Identity
  identify(identity: Identity): void
  link(): Link | undefined
  /** Opens custody and uplink, if there is a route and they are not open yet. */
  connect(): Promise<void>
  event(members: EventMembers): Promise<Place>
  /** Readings that were not taken, and why the last one was not. */
  refused(): number
  whyRefused(): string
  stop(): Promise<void>
}

/** What a line of the log tells of something that a device did. */
interface NoteFields {
  device: string
  epoch?: string
  seq?: number
  code?: FaultCode
}

/** Lines of the log that one device may cause in a minute, of each sort: more than a person can. */
const linesPerMinute = 30

/** H over the hashes of all drivers, sorted (WIRE 7.1), hex. */
const driversHash = ({ all }: Drivers): string =>
  hex(
    sha256(
      ...all
        .map(one => one.hash)
        .sort()
        .map(one => Buffer.from(one, 'hex')),
    ),
  )

/** Puts the parts together; nothing runs before the devices are added. */
export function makeGateway(parts: GatewayParts, first: Identity, broken: (why: unknown) => void): Gateway {
  const { clock, log, moments, config, after } = parts
  const taken = takenStream()
  const often = ration(clock, linesPerMinute)
  let identity = first
  let link: Link | undefined
  let isShut = false
  let refused = 0
  let whyRefused: FaultCode = 'identity.unprovisioned'

  const take = (draft: Draft): Promise<Place> => {
    const why = isShut ? 'this box is being wiped' : 'not provisioned'
    return link === undefined || isShut
      ? Promise.reject(new Fault('identity.unprovisioned', `${why}: readings are not taken`))
      : link.take(draft)
  }

  /** Logs what a device did, unless it does it too often. */
  const note = (words: 'taken' | 'scanned' | 'frame kept' | 'reading refused', fields: NoteFields): void => {
    const count = often.take(`${words} ${fields.device}`)
    if (count === 0) return
    const tell = words === 'reading refused' ? log.error : log.info
    tell(count === 1 ? fields : { ...fields, count }, words)
  }

  const tell = (event: StationEvent): void => {
    const { device } = event
    if ('taken' in event) {
      const at = clock.now()
      stations.count(device, at)
      const { epoch, seq } = event.place
      taken.tell({ device, hash: event.frameHash, epoch, seq, at })
      note('taken', { device, epoch, seq })
    } else if ('refused' in event) {
      refused++
      whyRefused = event.refused.code
      note('reading refused', { device, code: event.refused.code })
    } else if ('kept' in event) {
      const { epoch, seq } = event.place
      note('frame kept', { device, epoch, seq, code: event.fault })
    } else note('scanned', { device })
  }

  const ways = openWays({
    clock,
    after,
    timezone: config.timezone,
    makeRadio: parts.makeRadio ?? (() => bluezRadio({ clock, after })),
  })
  const wall = wallOf(config.timezone)
  const { stationWindowMs: windowMs, stationClaimMs: claimMs, stationEndCode: endCode } = config
  const rules = { windowMs, claimMs, endCode }
  const { drivers } = parts
  const stations = openStations({
    drivers,
    ways,
    rules,
    clock,
    after,
    moments,
    wall,
    take,
    tell,
    broken,
  })

  const startedMono = clock.mono()
  const gate = {
    shut: () => {
      isShut = true
    },
    open: () => {
      isShut = false
    },
  }

  return {
    parts,
    startedMono,
    stations,
    ways,
    taken,
    identity: () => identity,
    identify(next) {
      identity = next
    },
    link: () => link,
    async connect() {
      if (link !== undefined || identity.phase === 'fresh' || identity.route === undefined) return
      const routed = { ...identity, route: identity.route }
      link = await openLink({
        identity: routed,
        book: readBook(parts.state, routed),
        update: statements => {
          const updated = takeUpdate(parts.state, statements)
          if (updated.taken.length > 0) identity = updated.identity
          return updated
        },
        acts: ({ custody, receipted }) =>
          actsOf({
            ...{ clock, moments, after, log, stations, startedMono, receipted, gate },
            software: parts.software,
            stats: custody.stats,
            leave: parts.leave ?? (() => broken(new Fault('interrupted', 'ended at the word of the server'))),
            drainMs: usualDrain,
          }),
        after,
        config,
        outboxPath: places(parts.state).outbox,
        clock,
        moments,
        log: log.child({ part: 'uplink' }),
        software: parts.software,
        driversHash: driversHash(parts.drivers),
        boot: parts.boot,
        broken,
      })
    },
    event: members => take({ type: 'event', time: moments.at(), members }),
    refused: () => refused,
    whyRefused: () => whyRefused,
    async stop() {
      await stations.stop()
      await ways.close()
      await link?.stop()
    },
  }
}
