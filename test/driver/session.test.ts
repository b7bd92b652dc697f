import { expect, test } from '@jest/globals'
import { bytesOf, hex, textOf } from '../../src/base/bytes.ts'
import { driver, type Said, type Silent } from '../../src/driver/driver.ts'
import { fields, malformed, none, quantity } from '../../src/driver/index.ts'
import { openSession } from '../../src/driver/session.ts'
import { setUp } from '../../src/driver/setup.ts'

const link = { serial: { baud: 9600 }, frame: { until: '\n' } } as const

/** A meter that says `W72.4`, is silent on `-`, and throws otherwise. */
const meter = driver({
  name: 'Test meter',
  revision: 1,
  link,
  check: none,
  says: ['body-weight'],
  listen:
    () =>
    (payload): Said | Silent => {
      if (textOf(payload) === '-') return { silent: 'no-value' }
      const [weight = ''] = fields(payload, /^W(\d+\.\d)$/)
      return { measured: { 'body-weight': quantity(weight, 'kg') } }
    },
})
const said = { measured: { 'body-weight': { n: 724, s: 1, u: 'kg' } } }

test('a frame is understood, silent with its reason, or a fault', () => {
  const session = openSession(setUp(meter, {}), 0)
  expect(session.hear(bytesOf('W72.4\n-\nhello\n'), 5)).toEqual([
    { frame: bytesOf('W72.4\n'), heard: said, said },
    { frame: bytesOf('-\n'), heard: { silent: 'no-value' } },
    { frame: bytesOf('hello\n'), heard: { fault: 'frame.malformed', why: 'frame does not fit its pattern' } },
  ])
})

test('half a frame is waited for, and given up after a second of silence', () => {
  const session = openSession(setUp(meter, {}), 0)
  expect(session.due()).toBeUndefined()
  expect(session.hear(bytesOf('W7'), 100)).toEqual([])
  expect(session.hear(bytesOf('2.'), 900)).toEqual([])
  expect(session.due()).toBe(1900)
  expect(session.rest(1899)).toEqual([])
  expect(session.hear(bytesOf('4\n'), 1900).map(one => one.heard)).toEqual([
    { fault: 'frame.malformed', why: 'frame is not whole' },
    { fault: 'frame.malformed', why: 'frame does not fit its pattern' },
  ])
})

test('the end of the line gives up what is held', () => {
  const session = openSession(setUp(meter, {}), 0)
  session.hear(bytesOf('W72.4'), 0)
  expect(session.end(1)).toMatchObject([{ heard: { fault: 'frame.malformed' } }])
  expect(session.end(2)).toEqual([])
})

test('the same thing within repeatMs of the last time does not count again', () => {
  const session = openSession(setUp({ ...meter, repeatMs: 2000 }, {}), 0)
  const counts = (at: number, text: string) =>
    session.hear(bytesOf(text), at).map(one => one.said !== undefined)
  expect(counts(0, 'W72.4\nW72.4\n')).toEqual([true, false])
  expect(counts(1999, 'W72.4\n')).toEqual([false])
  expect(counts(3998, 'W72.4\n')).toEqual([false])
  expect(counts(5998, 'W72.4\n')).toEqual([true])
  expect(counts(5999, 'W72.5\nW72.4\n')).toEqual([true, true])
})

test('a driver that measures what its card does not say is refused', () => {
  const session = openSession(setUp({ ...meter, says: ['bmi'] }, {}), 0)
  expect(session.hear(bytesOf('W72.4\n'), 0)).toMatchObject([{ heard: { fault: 'driver.invalid' } }])
})

test('a value that is not in the unit of its kind is refused', () => {
  const wrong = { ...meter, listen: () => () => ({ measured: { 'body-weight': quantity('170', 'cm') } }) }
  const session = openSession(setUp(wrong as typeof meter, {}), 0)
  expect(session.hear(bytesOf('W72.4\n'), 0)).toMatchObject([{ heard: { fault: 'driver.invalid' } }])
})

test('an error that is no Fault is a bug and passes through', () => {
  const broken = { ...meter, listen: () => () => JSON.parse('{') } as typeof meter
  const session = openSession(setUp(broken, {}), 0)
  expect(() => session.hear(bytesOf('W72.4\n'), 0)).toThrow(SyntaxError)
})

test('after a false start inside a frame of fixed length, the true one is found', () => {
  const star = driver({
    name: 'Test star',
    revision: 1,
    link: { serial: { baud: 9600 }, frame: { length: 4, from: '*' } },
    check: {
      name: 'sum',
      mask: 0xff,
      open(frame) {
        if (frame[3] !== 0x21) throw Object.assign(malformed('x'), { code: 'frame.check' })
        return frame
      },
      seal: frame => frame,
    },
    says: [],
    listen: () => payload => ({ scanned: textOf(payload) }),
  })
  const session = openSession(setUp(star, {}), 0)
  const scans = session.hear(bytesOf('*a*bc!*de!'), 0).flatMap(one => one.said ?? [])
  expect(scans).toEqual([{ scanned: '*bc!' }, { scanned: '*de!' }])
})

/** Asked with `?`, it tells how many values it has; each is asked for. */
const asked = driver({
  name: 'Test asked',
  revision: 1,
  link,
  check: none,
  says: ['body-weight'],
  everyMs: 5000,
  answerMs: 300,
  talk: () =>
    function* () {
      yield { send: bytesOf('?') }
      const [count = ''] = fields(yield 'hear', /^N(\d)$/)
      for (let index = 1; index <= Number(count); index++) {
        yield { send: bytesOf(String(index)) }
        const [weight = ''] = fields(yield 'hear', /^W(\d+\.\d)$/)
        yield { measured: { 'body-weight': quantity(weight, 'kg') } }
      }
    },
})

test('a device that must be asked is asked, heard, and asked again', () => {
  const session = openSession(setUp(asked, {}), 0)
  expect(session.due()).toBe(0)
  expect(session.rest(0)).toEqual([])
  expect(session.sends().map(hex)).toEqual(['3f'])
  session.hear(bytesOf('N1\n'), 20)
  expect(session.sends().map(hex)).toEqual(['31'])
  // what is said stands on all that was heard for it
  const frame = bytesOf('N1\nW72.4\n')
  expect(session.hear(bytesOf('W72.4\n'), 40)).toEqual([{ frame, heard: said, said }])
  expect(session.due()).toBe(5040)
  expect(session.sends()).toEqual([])
  expect(session.hear(bytesOf('N1\n'), 60)).toMatchObject([{ heard: { silent: 'unasked' } }])
  session.rest(5040)
  expect(session.sends().map(hex)).toEqual(['3f'])
})

test('an answer that does not come is no fault; one that is not understood ends the round', () => {
  const session = openSession(setUp(asked, {}), 0)
  session.rest(0)
  session.sends()
  expect(session.due()).toBe(300)
  expect(session.rest(300)).toEqual([])
  expect(session.due()).toBe(5300)
  session.rest(5300)
  session.sends()
  expect(session.hear(bytesOf('hello\n'), 5310)).toMatchObject([{ heard: { fault: 'frame.malformed' } }])
  expect(session.due()).toBe(10310)
})

test('bytes that come when a question is due are no answer to it: it was not sent yet', () => {
  const session = openSession(setUp(asked, {}), 0)
  expect(session.hear(bytesOf('N1\n'), 7)).toMatchObject([{ heard: { silent: 'unasked' } }])
  expect(session.sends()).toEqual([])
  expect(session.due()).toBe(0)
  session.rest(7)
  expect(session.sends().map(hex)).toEqual(['3f'])
  // an answer that comes too late ends the round, and is none
  expect(session.hear(bytesOf('N1\n'), 307)).toMatchObject([{ heard: { silent: 'unasked' } }])
  expect(session.due()).toBe(5307)
})

test('what comes unasked is heard by the card that listens too, and settles with what was asked', () => {
  const both = { ...asked, listen: meter.listen } as typeof asked
  const session = openSession(setUp(both, {}), 0)
  session.rest(0)
  session.hear(bytesOf('N1\n'), 20)
  expect(session.hear(bytesOf('W72.4\nW72.5\n'), 40)).toEqual([
    { frame: bytesOf('N1\nW72.4\n'), heard: said, said },
    {
      frame: bytesOf('W72.5\n'),
      heard: { measured: { 'body-weight': { n: 725, s: 1, u: 'kg' } } },
      said: { measured: { 'body-weight': { n: 725, s: 1, u: 'kg' } } },
    },
  ])
})

test('a card that hears on until its answer comes is not led on for ever', () => {
  const patient = driver({
    ...asked,
    answerMs: 300,
    talk: () =>
      function* () {
        yield { send: bytesOf('?') }
        while (textOf(yield 'hear') !== 'done') yield { silent: 'unasked' }
      },
  } as typeof asked)
  const session = openSession(setUp(patient, {}), 0)
  session.rest(0)
  // 4,096 bytes are 1,024 frames of four
  const heard = Array.from({ length: 1025 }, (_, at) => session.hear(bytesOf('abc\n'), at)[0]!.heard)
  expect(heard.filter(one => 'silent' in one)).toHaveLength(1024)
  expect(heard.at(-1)).toMatchObject({ fault: 'frame.too-long' })
  expect(session.due()).toBe(1024 + 5000)
})
