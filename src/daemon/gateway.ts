import { hex, sha256 } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { Fault, type FaultCode } from '../base/fault.ts'
import type { Log } from '../base/log.ts'
import type { Drivers } from '../driver/load.ts'
import type { Config } from '../identity/config.ts'
import { readDevices } from '../identity/devices.ts'
import type { Identity } from '../identity/identity.ts'
import { bluezRadio } from '../transport/bluez-radio.ts'
import type { After } from '../transport/port.ts'
import type { Radio } from '../transport/radio.ts'
import type { Draft } from '../wire/chained.ts'
import { portTag } from '../wire/porttag.ts'
import type { Abandoning } from './abandon.ts'
import { makeBrake } from './brake.ts'
import { makeCaptures } from './captures.ts'
import { actsOf } from './commands-acts.ts'
import { usualDrain } from './commands-wipe.ts'
import type { Place } from './custody.ts'
import type { Link } from './link.ts'
import { type Former, makeLinks } from './links.ts'
import type { Moments } from './moment.ts'
import { cardCheck } from './prepare.ts'
import { proposalOf } from './proposal.ts'
import { ration } from './ration.ts'
import { proposeKeys } from './rotation.ts'
import { liveSettings } from './settings.ts'
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
  /** The configuration file that was named; undefined is the usual one. */
  configFile?: string | undefined
  /** Changes how much the log tells. */
  relevel?: (level: Config['logLevel']) => void
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
  /** Former routes that drain beside it (WIRE 9.11). */
  formers(): Former[]
  /** Gives up what nobody will ever sign for (WIRE 9.14). */
  abandoning: Abandoning
  /** Opens custody and uplink, if there is a route and they are not open yet. */
  connect(): Promise<void>
  /** Closes them and opens them under what is on disk now; what is measured meanwhile waits. */
  reopen(): Promise<void>
  /** The box is being wiped: nothing is taken or changed any more. */
  isShut(): boolean
  /** Resolves when they are not being opened anew just now, at the latest after ten seconds. */
  steady(): Promise<void>
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

/** Roughly what a draft takes in memory: its frame, written as hex, and everything else. */
const bytesOf = (draft: Draft): number => 1024 + ('raw' in draft.members ? draft.members.raw.length : 0)

/** Puts the parts together; nothing runs before the devices are added. */
export function makeGateway(parts: GatewayParts, first: Identity, broken: (why: unknown) => void): Gateway {
  const { clock, log, moments, config, after } = parts
  const taken = takenStream()
  const often = ration(clock, linesPerMinute)
  const brake = makeBrake()
  let identity = first
  let isShut = false
  let refused = 0
  let whyRefused: FaultCode = 'identity.unprovisioned'

  const take = (draft: Draft): Promise<Place> => {
    const why = 'this box is being wiped: readings are not taken'
    if (isShut) return Promise.reject(new Fault('identity.unprovisioned', why))
    const way = links.take(draft)
    brake.follow(bytesOf(draft), way)
    return way
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
  const settings = liveSettings({ state: parts.state, config: parts.configFile }, changed => {
    rules.windowMs = changed.stationWindowMs
    rules.claimMs = changed.stationClaimMs
    parts.relevel?.(changed.logLevel)
  })
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
    brake,
    portTag: bound => (identity.phase === 'fresh' ? undefined : portTag(identity.gateway, bound)),
  })

  const captures = makeCaptures({ clock, after, log, drivers, stations })
  const startedMono = clock.mono()
  const gate = {
    shut: () => {
      isShut = true
    },
    open: () => {
      isShut = false
    },
  }

  const identify = (next: Identity): void => {
    identity = next
  }

  const event: Gateway['event'] = members => take({ type: 'event', time: moments.at(), members })

  const { state, software, boot } = parts
  const links = makeLinks({
    ...{ state, config, clock, moments, after, software, boot, identify, broken },
    log: log.child({ part: 'uplink' }),
    driversHash: driversHash(drivers),
    identity: () => identity,
    isShut: () => isShut,
    async proposals() {
      if (identity.phase === 'fresh') return []
      const { gateway: name } = identity
      const devices = readDevices(state, cardCheck(drivers))
      return Promise.all(devices.map(device => proposalOf(device, name, ways)))
    },
    acts: ({ receipted, stats, abandoning }) =>
      actsOf({
        ...{ clock, moments, after, log, stations, startedMono, receipted, gate },
        software: parts.software,
        ...{ stats, abandoning },
        leave: parts.leave ?? (() => broken(new Fault('interrupted', 'ended at the word of the server'))),
        drainMs: usualDrain,
        settings,
        captures,
        takePart: detail => event({ event: 'capture-part', detail }),
        rotate: () => proposeKeys({ identity: () => identity, identify, event, parts }),
      }),
  })

  return {
    parts,
    startedMono,
    stations,
    ways,
    taken,
    identity: () => identity,
    identify,
    link: links.now,
    formers: links.formers,
    abandoning: links.abandoning,
    reopen: links.reopen,
    isShut: () => isShut,
    steady: links.steady,
    connect: links.connect,
    event,
    refused: () => refused,
    whyRefused: () => whyRefused,
    async stop() {
      captures.drop()
      await stations.stop()
      await ways.close()
      await links.stop()
    },
  }
}
