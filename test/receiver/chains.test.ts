import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { type Bench, bench, epochOf, gateway, receipts, type Said } from './fixture.ts'

let it: Bench
beforeEach(() => {
  it = bench()
})
afterEach(() => it.end())

const later = 'e2e2e2e2e2e2e2e2'

/** Receives one message and says what its receipts confirm: `[seq, head]` and the holes. */
const confirm = (...said: Said[]) =>
  receipts(it.receive(said.map(one => one.message))).map(({ seq, head, holes }) => ({ seq, head, holes }))

const flagNames = () => it.store.all<{ flag: string }>('SELECT flag FROM flag_acts').map(one => one.flag)

/** An epoch of `count` rows. */
function rows(count: number) {
  const epoch = epochOf(gateway, 'e1e1e1e1e1e1e1e1')
  const said = [epoch.open()]
  while (said.length < count) said.push(epoch.reading())
  return { epoch, said: said as [Said, ...Said[]] }
}

const lost = (said: Said[], from: number, to: number) => ({
  epoch: 'e1e1e1e1e1e1e1e1',
  from,
  to,
  before: said[from - 1]!.prev,
  after: said[to - 1]!.head,
  why: 'missing',
})

test('rows in order are confirmed one by one, a batch of them once', () => {
  const { said } = rows(4)
  const [one, two, three, four] = said as [Said, Said, Said, Said]
  expect(confirm(one)).toEqual([{ seq: 1, head: one.head, holes: [] }])
  expect(confirm(two, three, four)).toEqual([{ seq: 4, head: four.head, holes: [] }])
})

test('what comes out of order is kept and waits; the row that was missing confirms all', () => {
  const { said } = rows(4)
  const [one, two, three, four] = said as [Said, Said, Said, Said]
  expect(confirm(four)).toEqual([])
  expect(confirm(three, one)).toEqual([{ seq: 1, head: one.head, holes: [] }])
  expect(it.store.all('SELECT 1 FROM readings')).toHaveLength(2)
  expect(confirm(two)).toEqual([{ seq: 4, head: four.head, holes: [] }])
  expect(flagNames()).toEqual([])
})

test('a duplicate is counted and confirmed again, the reading is there once', () => {
  const { said } = rows(3)
  confirm(...said)
  expect(confirm(said[1]!)).toEqual([{ seq: 3, head: said[2]!.head, holes: [] }])
  expect(it.store.get('SELECT name, n FROM counters')).toEqual({ name: 'DUPLICATE', n: 1 })
  expect(it.store.all('SELECT 1 FROM readings')).toHaveLength(2)
  expect(flagNames()).toEqual([])
})

test('epochs do not wait for each other', () => {
  const second = epochOf(gateway, later)
  const opened = second.open()
  expect(confirm(opened)).toEqual([{ seq: 1, head: opened.head, holes: [] }])
})

test('two branches: both kept, each confirmed by its own head, flag FORK once, both readings marked', () => {
  const { epoch, said } = rows(3)
  confirm(...said)
  epoch.back(said[1]!)
  const rival = epoch.reading({ raw: 'ff' })
  const after = epoch.reading()
  expect(confirm(rival)).toEqual([{ seq: 3, head: rival.head, holes: [] }])
  expect(confirm(after)).toEqual([{ seq: 4, head: after.head, holes: [] }])
  expect(flagNames()).toEqual(['FORK'])
  expect(it.store.all('SELECT seq, verdict FROM readings ORDER BY seq')).toEqual([
    { seq: 2, verdict: 'accept' },
    { seq: 3, verdict: 'flag' },
    { seq: 3, verdict: 'flag' },
    { seq: 4, verdict: 'flag' },
  ])
  // a row of before the fork may be resent from either side: both heads are told
  const both = confirm(said[0])
  expect(both).toHaveLength(2)
  expect(both).toContainEqual({ seq: 3, head: said[2]!.head, holes: [] })
  expect(both).toContainEqual({ seq: 4, head: after.head, holes: [] })
})

test('all above a fork is marked on either side, in whatever order it came; below it nothing is', () => {
  const { epoch, said } = rows(5)
  epoch.back(said[2]!)
  const others = [epoch.reading({ raw: 'ff' }), epoch.reading()]
  confirm(said[0], said[1]!, said[2]!, others[1]!, said[4]!, said[3]!)
  expect(flagNames()).toEqual([])
  confirm(others[0]!)
  expect(flagNames()).toEqual(['FORK'])
  const verdicts = (condition: string) =>
    it.store.all<{ verdict: string }>(`SELECT verdict FROM readings WHERE ${condition}`)
  expect(verdicts('seq < 4').map(one => one.verdict)).toEqual(['accept', 'accept'])
  expect(verdicts('seq >= 4').map(one => one.verdict)).toEqual(['flag', 'flag', 'flag', 'flag'])
  confirm(epoch.reading())
  expect(verdicts('seq = 6').map(one => one.verdict)).toEqual(['flag'])
  const second = epochOf(gateway, later)
  confirm(second.open(), second.reading())
  expect(verdicts(`epoch = '${later}'`).map(one => one.verdict)).toEqual(['accept'])
})

test('losses that follow each other are one hole; what is found in its midst divides it', () => {
  const { said } = rows(8)
  const second = epochOf(gateway, later)
  const losses = [3, 4, 5, 6, 7].map(seq => () => second.event('lost', lost(said, seq, seq)))
  const whole = confirm(said[0], said[1]!, said[7]!, second.open(), ...losses.map(tell => tell()))
  expect(whole).toContainEqual({ seq: 8, head: said[7]!.head, holes: [[3, 7]] })
  const outstanding = () => it.store.all('SELECT first, top FROM lost WHERE top >= first ORDER BY first')
  expect(outstanding()).toEqual([{ first: 3, top: 7 }])
  const end = (...found: Said[]) => confirm(...found).find(one => one.seq === 8)?.holes
  expect(end(said[4]!)).toEqual([
    [3, 4],
    [6, 7],
  ])
  // declared once more, in other words: it changes nothing
  expect(end(second.event('lost', lost(said, 4, 4)), said[7]!)).toEqual([
    [3, 4],
    [6, 7],
  ])
  expect(end(said[3]!)).toEqual([
    [3, 3],
    [6, 7],
  ])
  expect(end(said[6]!)).toEqual([
    [3, 3],
    [6, 6],
  ])
  confirm(said[2]!)
  expect(end(said[5]!)).toEqual([])
  expect(outstanding()).toEqual([])
})

test.each([
  ['forwards', (all: Said[]) => all],
  ['backwards', (all: Said[]) => [...all].reverse()],
])('losses that are told %s come to the same', (_, order) => {
  const { said } = rows(6)
  const second = epochOf(gateway, later)
  const opened = second.open()
  const told = [3, 4, 5].map(seq => second.event('lost', lost(said, seq, seq)))
  confirm(said[0], said[1]!, said[5]!, opened, ...order(told))
  expect(confirm(said[0]).map(one => one.holes)).toContainEqual([[3, 5]])
  expect(it.store.all('SELECT 1 FROM lost WHERE top >= first')).toHaveLength(1)
})

test('a declared loss lets the receipt pass with the hole listed, and raises GAP', () => {
  const { said } = rows(6)
  confirm(said[0], said[1]!, said[5]!)
  const second = epochOf(gateway, later)
  const [opened, told] = [second.open(), second.event('lost', lost(said, 3, 5))]
  const answers = confirm(opened, told)
  expect(answers).toContainEqual({ seq: 2, head: told.head, holes: [] })
  expect(answers).toContainEqual({ seq: 6, head: said[5]!.head, holes: [[3, 5]] })
  expect(flagNames()).toEqual(['GAP'])
})

test('a loss at the end is confirmed at the head that was declared', () => {
  const { said } = rows(4)
  confirm(said[0], said[1]!)
  const second = epochOf(gateway, later)
  expect(confirm(second.open(), second.event('lost', lost(said, 3, 4)))).toContainEqual({
    seq: 4,
    head: said[3]!.head,
    holes: [[3, 4]],
  })
})

test('a whole epoch can be declared lost, before anything of it came', () => {
  const { said } = rows(2)
  const second = epochOf(gateway, later)
  expect(confirm(second.open(), second.event('lost', lost(said, 1, 2)))).toContainEqual({
    seq: 2,
    head: said[1]!.head,
    holes: [[1, 2]],
  })
})

test.each([
  ['from the upper end', [5, 4, 3], [[[3, 4]], [[3, 3]], []]],
  ['from the lower end', [3, 4, 5], [undefined, undefined, []]],
  ['from the middle', [4, 5, 3], [undefined, [[3, 3]], []]],
])('rows found after all are taken %s and the hole shrinks', (_, order, holes) => {
  const { said } = rows(6)
  const second = epochOf(gateway, later)
  confirm(said[0], said[1]!, said[5]!, second.open(), second.event('lost', lost(said, 3, 5)))
  order.forEach((seq, at) => {
    const answers = confirm(said[seq - 1]!)
    const expected = holes[at]
    // a row that is connected from below only is confirmed by its own head
    const below = seq === 3 || (seq === 4 && order[0] === 3)
    if (expected !== undefined)
      expect(answers).toContainEqual({ seq: 6, head: said[5]!.head, holes: expected })
    else if (below) expect(answers).toEqual([{ seq, head: said[seq - 1]!.head, holes: [] }])
    else expect(answers).toEqual([])
  })
  expect(flagNames()).toEqual(['GAP'])
})

test('a loss of rows that are all here raises nothing and leaves no hole', () => {
  const { said } = rows(4)
  confirm(...said)
  const second = epochOf(gateway, later)
  const told = second.event
  const answers = confirm(second.open(), told('lost', lost(said, 2, 3)))
  expect(answers.filter(one => one.holes.length > 0)).toEqual([])
  expect(confirm(said[0])).toEqual([{ seq: 4, head: said[3]!.head, holes: [] }])
  expect(flagNames()).toEqual([])
})

test('a loss declared from within the same epoch lets nothing pass', () => {
  const { epoch, said } = rows(4)
  confirm(said[0])
  epoch.event('lost', lost(said, 2, 4))
  epoch.back(said[0])
  // the gateway says it in the place of row 2, about rows that would follow
  const told = epoch.event('lost', lost(said, 2, 4))
  expect(confirm(told)).toEqual([{ seq: 2, head: told.head, holes: [] }])
  expect(flagNames()).toEqual(['GAP'])
})

test('more holes than one answer may list: what is confirmed ends before the next of them', () => {
  const { said } = rows(70)
  const second = epochOf(gateway, later)
  const told = [second.open()]
  for (let seq = 2; seq <= 68; seq += 2) told.push(second.event('lost', lost(said, seq, seq)))
  confirm(...told)
  const odd = said.filter(one => one.seq % 2 === 1 || one.seq === 70)
  const answers = confirm(...odd)
  const [answer] = answers.filter(one => one.holes.length > 0)
  expect(answer?.holes).toHaveLength(32)
  expect(answer?.holes.at(-1)).toEqual([64, 64])
  expect([answer?.seq, answer?.head]).toEqual([65, said[64]!.head])
})

test.each([2, 9])('a row that calls itself %i in the place of 3 is kept, but never joins the chain', seq => {
  const { epoch, said } = rows(2)
  const odd = epoch.reading({ seq })
  const after = epoch.reading({ seq: seq + 1 })
  expect(confirm(odd, after, ...said)).toEqual([{ seq: 2, head: said[1]!.head, holes: [] }])
  expect(it.store.all('SELECT seq, connected FROM chains ORDER BY seq, connected DESC')).toEqual([
    { seq: 1, connected: 1 },
    { seq: 2, connected: 1 },
    { seq, connected: 0 },
    { seq: seq + 1, connected: 0 },
  ])
})
