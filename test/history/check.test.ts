import { expect, test } from '@jest/globals'
import { check, type Invariant, type Limits } from './check.ts'
import type { Event, Line } from './history.ts'

// Histories made by hand. A good one shows nothing; a bad one shows exactly what it was made to show.

const gateway = 'g'
const server = 's'
const epoch = 'e'
const head = (seq: number): string => `head-${seq}`
const value = (seq: number): string => `value-${seq}`
type Change = Record<string, unknown>

const event = <Op extends Event['op']>(op: Op, members: object): Event => ({ op, ...members }) as Event
const row = (seq: number, more: Change = {}): object => ({ gateway, epoch, seq, ...more })
const produced = (seq: number): Event => event('produced', { device: 'scale', value: value(seq) })
const committed = (seq: number): Event => event('committed', row(seq, { head: head(seq) }))
const taken = (seq: number, more: Change = {}): Event =>
  event('taken', row(seq, { value: value(seq), ...more }))
const stored = (seq: number, more: Change = {}): Event =>
  event('stored', row(seq, { server, head: head(seq), value: value(seq), ...more }))
const receipt = (seq: number, more: Change = {}): Event =>
  event('receipt', row(seq, { head: head(seq), ...more }))
const forgotten = (seq: number): Event => event('forgotten', row(seq))
const held = (...seqs: number[]): Event => event('held', { gateway, rows: seqs.map(seq => ({ epoch, seq })) })
const fault = (what: string, detail: object = {}): Event => event('fault', { what, detail })
const lost = (from: number, to: number): Event => event('lost', { gateway, epoch, from, to })
const token = (number: number, by = gateway): Event & { actor?: string } => ({
  ...event('token', { gateway, token: number }),
  actor: by,
})
const obeyed = (intent: string, by = gateway): Event & { actor?: string } => ({
  ...event('obeyed', { gateway, intent }),
  actor: by,
})
const flag = (name: string, of = gateway): Event => event('flag', { server, gateway: of, flag: name })
const attack = (name: string): Event => event('attack', { gateway, flag: name })
const resources = (used: object): Event => event('resources', { of: 'gateway', ...used })
const calm = event('calm', {})
const drained = event('drained', { gateway })

/** A reading on its way to the gateway's disk, and told. */
const into = (seq: number): Event[] => [produced(seq), committed(seq), taken(seq)]
/** A reading that came through. */
const through = (seq: number): Event[] => [...into(seq), stored(seq), receipt(seq)]

/** One line every ten milliseconds. */
const lines = (events: readonly (Event & { actor?: string })[]): Line[] =>
  events.map((one, at) => ({ at: at * 10, actor: one.actor ?? 'test', ...one }))
const invariants = (events: readonly Event[], limits?: Limits): Invariant[] => [
  ...new Set(check(lines(events), limits).map(found => found.invariant)),
]

const good: Record<string, readonly Event[]> = {
  nothing: [],
  'readings that came through and were forgotten': [
    ...[1, 2, 3].flatMap(through),
    ...[1, 2, 3].map(forgotten),
    ...[calm, drained],
  ],
  'a reading that came twice and was kept once': [...through(1), receipt(1), held(1), calm, drained],
  'a crash before the reading was told, and the device prints it again': [
    ...[produced(1), committed(1), fault('crash'), produced(1), committed(2)],
    ...[taken(2, { value: value(1) }), stored(1), stored(2, { value: value(1) }), held(1, 2)],
  ],
  'a crash after the reading was told': [...into(1), fault('crash'), held(1), stored(1), held(1)],
  'a crash that takes what was never told': [produced(1), fault('crash'), held(), calm],
  'a server that is set back and gets the difference again': [
    ...[...through(1), fault('backup', { server }), ...through(2), fault('restored', { server }), held(1, 2)],
    ...[stored(2), held(1, 2), calm, drained],
  ],
  'a damaged disk, its loss declared': [
    ...[...into(1), ...into(2), ...through(3)],
    ...[fault('corrupted', { gateway }), stored(1), lost(2, 2), flag('GAP'), held(3), calm, drained],
  ],
  'an attack that was noticed': [...through(1), attack('FORK'), flag('FORK'), flag('FORK')],
  'readings listed without heads, which leaves gaps': [
    ...[2, 4].flatMap(seq => [produced(seq), taken(seq), stored(seq, { head: undefined })]),
  ],
  'commands and tokens of a box and of its copy': [
    ...[
      obeyed('a'),
      obeyed('b'),
      obeyed('a', 'copy'),
      token(1),
      token(2),
      token(2, 'copy'),
      token(5),
      token(3, 'copy'),
    ],
  ],
  'numbered receipts': [...into(1), stored(1), receipt(1, { number: 1 }), receipt(1, { number: 2 })],
}

test.each(Object.entries(good))('good: %s', (_, events) => {
  expect(check(lines(events))).toEqual([])
})

const bad: [Invariant, string, readonly Event[], Limits?][] = [
  ['I1', 'taken and at no server in the end', [...through(1), ...into(2), held(1, 2)]],
  ['I1', 'stored twice', [...through(1), stored(1)]],
  ['I1', 'stored at two servers', [...through(1), stored(1, { server: 'other' })]],
  [
    'I1',
    'not sent again to a server that was set back',
    [fault('backup', { server }), ...through(1), fault('restored', { server }), held(1)],
  ],
  ['I1', 'declared lost though no disk was damaged', [...into(2), lost(1, 2), through(3)[0]!, held(2)]],
  ['I2', 'gone from the disk, and later at the server', [...into(1), held(), stored(1)]],
  [
    'I2',
    'forgotten, and the server set back to before it',
    [
      ...[fault('backup', { server }), ...through(1), forgotten(1), fault('restored', { server }), held()],
      stored(1),
    ],
  ],
  [
    'I2',
    'gone from the disk after another was damaged',
    [...into(1), fault('corrupted', { gateway: 'other' }), lost(1, 1), held(), stored(1)],
  ],
  ['I3', 'a value that no device said', [committed(1), taken(1), stored(1)]],
  ['I3', 'a row that was never committed', [...through(1), produced(2), stored(2)]],
  [
    'I3',
    'another value than was taken',
    [produced(1), produced(2), committed(1), taken(1), stored(1, { value: value(2) })],
  ],
  [
    'I3',
    'a value at two places, printed once',
    [...through(1), committed(2), stored(2, { value: value(1) })],
  ],
  ['I4', 'a gap', [...through(1), ...through(3)]],
  ['I4', 'the first is missing', [...through(2)]],
  ['I4', 'another head than the gateway’s', [...into(1), stored(1, { head: 'another' })]],
  ['I5', 'forgotten without a receipt', [...into(1), stored(1), forgotten(1)]],
  ['I5', 'forgotten above the receipt', [...through(1), ...into(2), stored(2), forgotten(2)]],
  ['I5', 'forgotten before the receipt came', [...into(1), stored(1), forgotten(1), receipt(1)]],
  ['I5', 'a receipt with a foreign head', [...into(1), stored(1), receipt(1, { head: 'another' })]],
  ['I5', 'a receipt for what was never committed', [...through(1), receipt(2)]],
  ['I6', 'a token that falls', [token(1), token(3), token(2)]],
  ['I6', 'a token that is given again', [token(2), token(2)]],
  ['I6', 'a command carried out twice', [obeyed('a'), obeyed('b'), obeyed('a')]],
  [
    'I6',
    'a numbered receipt that falls',
    [...into(1), stored(1), receipt(1, { number: 2 }), receipt(1, { number: 1 })],
  ],
  ['I7', 'a flag though nobody attacked', [...through(1), flag('FORK')]],
  ['I7', 'a flag on another than the attacked', [attack('FORK'), flag('FORK'), flag('FORK', 'other')]],
  ['I7', 'an attack that nobody noticed', [...through(1), attack('BAD_SIG'), attack('FORK'), flag('FORK')]],
  ['I7', 'a gap though nothing was declared lost', [...through(1), flag('GAP')]],
  ['I8', 'told before it was committed', [produced(1), taken(1), committed(1), stored(1)]],
  ['I8', 'told and never committed', [...through(1), taken(2), fault('corrupted', { gateway }), lost(2, 2)]],
  ['I9', 'not drained after the calm', [...through(1), calm]],
  ['I9', 'drained before the calm only', [...through(1), drained, calm]],
  ['I9', 'drained too late', [...through(1), calm, held(1), drained], { drainMs: 10 }],
  ['I10', 'too many files open', [resources({ fds: 20 }), resources({ fds: 21 })], { fds: 20 }],
  ['I10', 'too much memory', [resources({ rssMb: 151 })], { rssMb: 150 }],
  ['I10', 'a journal that grows', [resources({ walBytes: 17e6, fds: 5 })], { walBytes: 16e6, fds: 5 }],
]

test.each(bad.map(([invariant, why, ...rest]) => ({ invariant, why, rest })))('$invariant: $why', one => {
  const [events, limits] = one.rest
  expect(invariants(events, limits)).toEqual([one.invariant])
})

test('each invariant has at least two bad histories', () => {
  const names = ['I1', 'I2', 'I3', 'I4', 'I5', 'I6', 'I7', 'I8', 'I9', 'I10'] as const
  for (const name of names) expect(bad.filter(([one]) => one === name).length).toBeGreaterThanOrEqual(2)
})

test('a violation names the line that shows it', () => {
  const history = lines([...into(1), stored(1), forgotten(1)])
  expect(check(history)).toEqual([
    { invariant: 'I5', why: 'g e 1 was forgotten without a receipt', line: history[4] },
  ])
})
