import { z } from 'zod'
import { abandonAnswer, abandonBody, forsaken } from './api-abandon.ts'
import {
  device,
  deviceState,
  line,
  listedDevice,
  pairLine,
  recordLine,
  scanLine,
  seconds,
  testBody,
  testLine,
  word,
} from './api-devices.ts'

export type { Acceptance, DeviceBody, DeviceState, PairLine, ScanLine, TestLine } from './api-devices.ts'

/** Largest request body that the control socket takes, bytes. */
export const bodyLimit = 262_144

const count = z.int().min(0)
/** Milliseconds since 1970 UTC. */
const moment = z.int().min(0)

/** How far a box is: without keys, with a request, with a route, and with a verified way to its server. */
export const phase = z.enum(['fresh', 'requested', 'accepted', 'provisioned'])
export type Phase = z.infer<typeof phase>

/** What is told about a fault: by an answer that is one, and by the last line of a stream. */
export const faultAnswer = z.strictObject({
  error: z.strictObject({ code: word, message: z.string().max(65_536), hint: line.optional() }),
})
export type FaultAnswer = z.infer<typeof faultAnswer>

/** The outbox in numbers: rows by state, how many were ever forgotten, and room in bytes. */
const outboxSums = {
  queued: count,
  sent: count,
  receipted: count,
  forgotten: count,
  bytes: count,
  quota: count,
  /** When the oldest row without a receipt was taken. */
  oldest: moment.nullable(),
  /** What waits for a receipt, how much may before readings are refused, and since when they are. */
  intake: z.strictObject({ used: count, quota: count, percent: count, refusingSince: moment.nullable() }),
}

const uplinkState = z.strictObject({
  state: z.enum(['off', 'connecting', 'connected', 'welcomed', 'refused']),
  broker: line.nullable(),
  /** Since when it is in this state. */
  since: moment.nullable(),
  lastReceipt: moment.nullable(),
  /** Who answered in the server's place without its key. */
  refusal: z
    .strictObject({ flag: z.literal('SERVER_KEY_UNPINNED'), count, fingerprint: line, since: moment })
    .optional(),
})

/** A former server to which rows are still on their way (WIRE 9.11); null where its outbox cannot be opened. */
const former = z.strictObject({
  server: word,
  state: uplinkState.shape.state,
  broker: line.nullable(),
  lastReceipt: moment.nullable(),
  queued: count.nullable(),
  receipted: count.nullable(),
  bytes: count.nullable(),
  /** Why it does not get on, if it does not. */
  fault: z.strictObject({ code: word, message: z.string().max(65_536) }).nullable(),
})

const status = z.strictObject({
  version: word,
  phase,
  gateway: word.nullable(),
  server: word.nullable(),
  site: word.nullable(),
  uptimeMs: count,
  devices: z.array(deviceState).max(1024),
  outbox: z.strictObject(outboxSums),
  uplink: uplinkState,
  former: z.array(former).max(16),
  clock: z.strictObject({
    source: z.enum(['ntp', 'rtc', 'saved', 'none']),
    uncertainty: count.nullable(),
    wall: moment,
  }),
  /** The client certificate and until when it is dated; `next`, a newer one that waits to prove itself. */
  certificate: z.strictObject({ notAfter: moment, next: moment.nullable() }).nullable(),
  /** This gateway's signing key, and the one that it proposed to go on under. */
  keys: z.strictObject({ kid: word, next: word.nullable() }).nullable(),
  routeValidUntil: moment.nullable(),
  /** Whole sentences for people: what needs attention, the gravest first. */
  notices: z.array(line).max(64),
})
export type Status = z.infer<typeof status>

/** A reading that custody took: `hash` is H(raw frame) in hex, `at` when it was taken. */
const taken = z.strictObject({ device: word, hash: word, epoch: word, seq: count, at: moment })
export type Taken = z.infer<typeof taken>

const requested = z.strictObject({
  already: z.boolean(),
  gateway: word,
  words: z.array(word).length(6),
  /** The request file's text (WIRE 10.1). */
  request: z.string().max(32_768),
})
export type Requested = z.infer<typeof requested>

/** What `provision rotate` proposed: key ids of the signing keys, and the request whose words people compare. */
const rotated = z.strictObject({
  already: z.boolean(),
  gateway: word,
  /** The signing key that counts until the registry has bound the next one. */
  kid: word,
  next: word,
  words: z.array(word).length(6),
  request: z.string().max(32_768),
})
export type Rotated = z.infer<typeof rotated>

const accepted = z.strictObject({
  already: z.boolean(),
  phase,
  gateway: word,
  server: word,
  site: word,
  brokers: z.array(line).max(8),
  versions: z.strictObject({ binding: count, serverEntry: count }),
  /** The server that the box was moved away from by this bundle. */
  movedFrom: word.nullable(),
})
export type Accepted = z.infer<typeof accepted>

/** Steps of `provision verify`, in order, then the outcome. */
const verifyLine = z.union([
  z.strictObject({ step: z.enum(['connecting', 'handshake', 'sending', 'waiting']), detail: line }),
  z.strictObject({
    outcome: z.strictObject({
      already: z.boolean(),
      gateway: word,
      server: word,
      roundTripMs: count.nullable(),
    }),
  }),
])
export type VerifyLine = z.infer<typeof verifyLine>

const outbox = z.strictObject({
  ...outboxSums,
  former: z.array(former).max(16),
  /** Those of former routes as well. */
  epochs: z
    .array(z.strictObject({ epoch: word, server: word, seq: count, queued: count, receipted: count }))
    .max(65_536),
})
export type OutboxAnswer = z.infer<typeof outbox>

/**
 * What going through every row on disk found. Seq 0 is the epoch's own record; `declared`: the server has
 * been told. With `more` there are more than are named. `abandoned`: rows that an operator's order gave up.
 */
const outboxReport = z.strictObject({
  epochs: count,
  rows: count,
  problems: z
    .array(
      z.strictObject({
        epoch: word,
        seq: count,
        problem: z.enum(['altered', 'missing', 'swapped', 'misplaced']),
        declared: z.boolean(),
      }),
    )
    .max(65_536),
  more: z.boolean(),
  abandoned: z.array(forsaken).max(65_536),
})
export type OutboxReport = z.infer<typeof outboxReport>

/** A question with one answer. A `:name` in the path is a member of the body. */
interface Call {
  method: 'GET' | 'POST' | 'DELETE'
  path: string
  body: z.ZodType
  answer: z.ZodType
}

/** A question answered by lines of JSON, as they come. */
interface Stream {
  method: 'GET' | 'POST'
  path: string
  body: z.ZodType
  line: z.ZodType
}

const nothing = z.strictObject({})

/** Everything that can be asked with one answer: the only list of it. */
export const calls = {
  status: { method: 'GET', path: '/status', body: nothing, answer: status },
  request: { method: 'POST', path: '/provision/request', body: nothing, answer: requested },
  accept: {
    method: 'POST',
    path: '/provision/accept',
    /** `move`: a person agrees that the box goes to the bundle's server. */
    body: z.strictObject({
      bundle: z.string().max(131_072),
      rootWords: line.optional(),
      move: z.boolean().optional(),
    }),
    answer: accepted,
  },
  rotate: { method: 'POST', path: '/provision/rotate', body: nothing, answer: rotated },
  devices: { method: 'GET', path: '/devices', body: nothing, answer: z.array(listedDevice).max(1024) },
  addDevice: {
    method: 'POST',
    path: '/devices',
    body: device,
    answer: z.strictObject({ already: z.boolean(), device }),
  },
  removeDevice: {
    method: 'DELETE',
    path: '/devices/:id',
    body: z.strictObject({ id: word }),
    answer: z.strictObject({ removed: word }),
  },
  passkey: {
    method: 'POST',
    path: '/devices/passkey',
    body: z.strictObject({ port: line, passkey: z.int().min(0).max(999_999) }),
    answer: nothing,
  },
  outbox: { method: 'GET', path: '/outbox', body: nothing, answer: outbox },
  verifyOutbox: { method: 'POST', path: '/outbox/verify', body: nothing, answer: outboxReport },
  abandon: { method: 'POST', path: '/outbox/abandon', body: abandonBody, answer: abandonAnswer },
} as const satisfies Record<string, Call>

/** Everything that is answered line by line: the only list of it. */
export const streams = {
  taken: { method: 'GET', path: '/taken', body: nothing, line: taken },
  verify: { method: 'POST', path: '/provision/verify', body: nothing, line: verifyLine },
  scan: { method: 'POST', path: '/scan', body: z.strictObject({ seconds }), line: scanLine },
  test: { method: 'POST', path: '/devices/test', body: testBody, line: testLine },
  pair: { method: 'POST', path: '/devices/pair', body: z.strictObject({ port: line }), line: pairLine },
  record: {
    method: 'POST',
    path: '/devices/record',
    body: z.strictObject({ device: word, seconds }),
    line: recordLine,
  },
} as const satisfies Record<string, Stream>

export type CallName = keyof typeof calls
export type StreamName = keyof typeof streams
export type CallBody<K extends CallName> = z.infer<(typeof calls)[K]['body']>
export type CallAnswer<K extends CallName> = z.infer<(typeof calls)[K]['answer']>
export type StreamLine<K extends StreamName> = z.infer<(typeof streams)[K]['line']>
export type StreamBody<K extends StreamName> = z.infer<(typeof streams)[K]['body']>

/**
 * What the daemon hands in. A stream's handler is called before the client sees its stream begin, so
 * what it subscribes to synchronously misses nothing; it sends lines until it resolves or `end` is aborted.
 * `taken` sends a line only after custody took the reading.
 */
export type Handlers = {
  [K in CallName]: (body: CallBody<K>) => Promise<CallAnswer<K>>
} & {
  [K in StreamName]: (
    body: StreamBody<K>,
    send: (line: StreamLine<K>) => void,
    end: AbortSignal,
  ) => Promise<void>
}
