import { z } from 'zod'
import { type Kind, kindNames, kinds } from '../reading/kinds.ts'
import { envelopeHash } from './chain.ts'
import { noteNames } from './flags.ts'
import {
  args,
  epoch,
  hash,
  hex16,
  id,
  kid,
  moment,
  name,
  parties,
  place,
  printable,
  seq,
  text,
  wall,
  whole,
} from './members.ts'
import { publicForm } from './registry.ts'

/** First members of every chained body (WIRE 5.3). */
const chained = { ...parties, epoch, seq, prev: hash, time: moment }

const quantity = z.strictObject({
  n: z.int().min(-999_999_999).max(999_999_999),
  s: z.int().min(0).max(6),
  u: z.string().max(8),
})

/** Values by kind, each in the kind's own unit (WIRE 6.3). */
const values = z
  .partialRecord(z.enum(kindNames), quantity)
  .refine(all => Object.keys(all).length >= 1 && Object.keys(all).length <= 16, 'must hold 1 to 16 values')
  .refine(
    all => Object.entries(all).every(([kind, one]) => one.u === kinds[kind as Kind].unit),
    'must be in the unit of the kind',
  )

/** What a port is bound to, as a tag (WIRE 6.6). */
const portTag = z.string().regex(/^[0-9a-f]{16}$/, 'must be 16 hex digits')

/** A frame as received. */
const raw = z.string().regex(/^(?:[0-9a-f]{2}){1,4096}$/, 'must be 1 to 4096 bytes in hex')

/** What a reading says beside its place (WIRE 6.3). */
export const readingMembers = {
  station: name,
  device: name,
  driver: z.strictObject({ id: name, revision: seq, hash }),
  link: z.strictObject({
    kind: z.enum(['serial', 'ble', 'tcp']),
    check: name,
    bonded: z.boolean().optional(),
    encrypted: z.boolean().optional(),
    char: name.optional(),
    port: portTag.optional(),
  }),
  raw,
  values,
  deviceTime: z
    .string()
    .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?$/)
    .optional(),
  deviceClock: z.enum(['checked', 'unchecked']).optional(),
  deviceId: printable.optional(),
  attribution: z.strictObject({ band: printable, scannedMono: whole }).optional(),
  notes: z
    .array(z.enum(noteNames))
    .max(16)
    .refine(all => new Set(all).size === all.length, 'must name each note once'),
}

/** What epoch-open says (WIRE 6.2). */
const epochOpenMembers = {
  before: place.nullable(),
  why: z.enum(['start', 'first', 'repair', 'rotated']),
  software: text,
}

const used = z.strictObject({ used: whole, quota: whole })

/** Parts of a capture: 1 MiB in all (WIRE 6.4). */
const partNumber = z.int().min(1).max(256)

/** What happened at the gateway (WIRE 6.4), each name with its own detail. */
const events = {
  'provision-test': z.strictObject({ nonce: hex16 }),
  'device-proposed': z.strictObject({
    device: name,
    driver: name,
    station: name,
    link: z.enum(['serial', 'ble', 'tcp']),
    options: hash,
    port: portTag.optional(),
    bonded: z.boolean().optional(),
  }),
  'reading-claimed': z.strictObject({ epoch, seq, band: printable, scannedMono: whole }),
  'frame-kept': z.strictObject({ device: name, driver: name, char: name, raw, fault: name }),
  'device-removed': z.strictObject({ device: name }),
  lost: z
    .strictObject({
      epoch,
      from: seq,
      to: seq,
      before: hash,
      after: hash,
      why: z.enum(['missing', 'altered']),
    })
    .refine(({ from, to }) => from <= to, 'must not end before it begins'),
  'server-unpinned': z.strictObject({ fingerprint: hash, since: wall, count: seq }),
  'intake-near-full': used,
  'intake-refused': used,
  'capture-part': z
    .strictObject({ intent: hex16, part: partNumber, parts: partNumber, raw })
    .refine(({ part, parts }) => part <= parts, 'must not be a part beyond the last'),
  'keys-proposed': z.strictObject({ request: publicForm }),
  abandoned: z
    .strictObject({
      intent: hex16,
      what: z.enum(['server', 'key']),
      id: z.union([id, kid]),
      rows: whole.nullable(),
      first: wall.nullable(),
      last: wall.nullable(),
    })
    .refine(
      ({ what, id: named }) => (what === 'server' ? id : kid).safeParse(named).success,
      'must be what was given up',
    ),
  'command-refused': z.strictObject({ why: name, intent: hex16.nullable(), count: seq }),
  'clock-anchored': z.strictObject({ boot: hex16, mono: whole, wall }),
} as const

export type EventName = keyof typeof events
export type EventDetail<N extends EventName> = z.infer<(typeof events)[N]>

const resultMembers = {
  intent: hex16,
  outcome: z.enum(['done', 'failed', 'interrupted']),
  detail: args,
}

const eventSchemas = Object.entries(events).map(([event, detail]) =>
  z.strictObject({ ...chained, event: z.literal(event as EventName), detail }),
)

/** The schema of each chained type's body. */
export const chainedBodies = {
  'epoch-open': z.strictObject({ ...chained, ...epochOpenMembers }),
  reading: z
    .strictObject({ ...chained, ...readingMembers })
    .refine(
      ({ attribution, notes }) => attribution === undefined || !notes.includes('unattributed'),
      'must not be attributed and unattributed',
    )
    .refine(
      ({ deviceTime, deviceClock }) => deviceTime !== undefined || deviceClock === undefined,
      'must not judge a clock that told no time',
    ),
  event: z.discriminatedUnion('event', eventSchemas as [(typeof eventSchemas)[0], ...typeof eventSchemas]),
  result: z.strictObject({ ...chained, ...resultMembers }),
} as const

export type ChainedType = keyof typeof chainedBodies
export type ReadingBody = z.infer<(typeof chainedBodies)['reading']>
export type EpochOpenBody = z.infer<(typeof chainedBodies)['epoch-open']>
export type ResultBody = z.infer<(typeof chainedBodies)['result']>
export type ChainedHead = { [M in keyof typeof chained]: z.infer<(typeof chained)[M]> }

/** An event's body, with the detail that belongs to its name. */
export type EventBody = {
  [N in EventName]: ChainedHead & { event: N; detail: EventDetail<N> }
}[EventName]

/** What a station or tool hands to custody: a chained body without parties and place. */
export type Draft =
  | { type: 'reading'; time: ReadingBody['time']; members: Omit<ReadingBody, keyof ChainedHead> }
  | {
      type: 'event'
      time: ReadingBody['time']
      members: { [N in EventName]: { event: N; detail: EventDetail<N> } }[EventName]
    }
  | { type: 'result'; time: ReadingBody['time']; members: Omit<ResultBody, keyof ChainedHead> }

/** The hash by which a device list names the proposal it accepts: H(envelope), hex (WIRE 9.4). */
export const proposalHash = (envelope: Uint8Array): string =>
  Buffer.from(envelopeHash(envelope)).toString('hex')
