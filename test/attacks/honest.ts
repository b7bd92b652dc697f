import { base32, hex } from '../../src/base/bytes.ts'
import type { Message } from '../../src/receiver/verify.ts'
import { makeEpoch } from '../../src/wire/chain.ts'
import { boxKey, makePair, signingKey, verifyKey } from '../../src/wire/keys.ts'
import { openFrom } from '../../src/wire/message.ts'
import { makeNonce, seenHash } from '../../src/wire/session.ts'
import {
  type Bench,
  boundAs,
  cuff,
  epochOf,
  type Holder,
  morning,
  pressure,
  type Said,
  server,
  unchained,
} from '../receiver/fixture.ts'

const newKeys = () => ({
  key: signingKey(makePair('ed25519').secret),
  box: boxKey(makePair('x25519').secret),
})

/** An honest gateway with keys of its own, enrolled at the bench; `revoke` does what an operator does. */
export function honestBox(bench: Bench, random: () => number, revoke: (kid: string) => void) {
  let who: Holder = { id: base32(crypto.getRandomValues(new Uint8Array(16))), ...newKeys() }
  let version = 1
  const enrol = (): void => void bench.gateways.set(who.id, boundAs(who, version))
  enrol()
  const chance = (share: number): boolean => random() < share
  const below = (limit: number): number => Math.floor(random() * limit)
  let token = 0
  let enrolments = 0
  let before: (Pick<Said, 'seq' | 'head'> & { epoch: string }) | null = null

  /** A boot's clock: right, in 1970, in 2090, an hour behind; the steady one goes on. */
  const boot = () => {
    const id = hex(crypto.getRandomValues(new Uint8Array(16)))
    const wall = [morning, 0, morning + 64 * 365.25 * 86_400_000, morning - 3_600_000][below(4)]!
    const source =
      wall === morning ? (['ntp', 'rtc'] as const)[below(2)]! : (['none', 'saved'] as const)[below(2)]!
    let mono = below(100_000)
    return {
      id,
      moment: () => {
        mono += below(5000)
        const uncertainty = source === 'ntp' ? 20 : null
        return { wall: Math.floor(wall + mono), source, uncertainty, boot: id, mono }
      },
    }
  }

  /** HELLO and READY of a start; what the true server answers is verified as a gateway does. */
  const shakeHands = (clock: ReturnType<ReturnType<typeof boot>['moment']>): void => {
    const epochs = before === null ? [] : [{ epoch: before.epoch, seq: before.seq, head: before.head }]
    const versions = { binding: version, serverEntry: 1, devices: 1, revocations: 0 }
    const hello = unchained(who, 'hello', {
      ...{ nonce: makeNonce(), boot: clock.boot, epochs, token, software: '0.1.0' },
      ...{ drivers: '0'.repeat(64), clock, versions },
    })
    const answers = bench.receive(chance(0.1) ? [hello.message, hello.message] : [hello.message])
    const expected = { iss: server.id, key: verifyKey(server.receipt.publicKey), aud: who.id, box: who.box }
    const welcome = openFrom(answers[0]!.payload, ['welcome'], expected)
    token = welcome.body.token
    const seen = seenHash(hello.statement, welcome.statement)
    const ready = unchained(who, 'ready', { serverNonce: welcome.body.serverNonce, token, seen })
    // a ready may get lost: the session is then never confirmed
    if (!chance(0.1)) bench.receive([ready.message])
  }

  /** What happens between two starts: the messages that go out, and how many of them are readings. */
  const life = (statements: number): { messages: Message[]; readings: number } => {
    // a box whose disk was lost knows neither token nor epoch
    const isLost = chance(0.05)
    if (isLost) {
      token = 0
      before = null
    }
    // nor its keys: they are revoked, and it is enrolled anew under the same id (DESIGN 7a.11)
    if (isLost && chance(0.5)) {
      revoke(who.key.kid)
      bench.older.set(who.id, [...(bench.older.get(who.id) ?? []), boundAs(who, version)])
      who = { id: who.id, ...newKeys() }
      version += 1
      enrolments += 1
      enrol()
    }
    const clock = boot()
    shakeHands(clock.moment())
    const epoch = epochOf(who, makeEpoch())
    const time = () => ({ time: clock.moment() })
    const said: Said[] = [
      epoch.say('epoch-open', {
        before,
        why: before === null ? 'first' : 'start',
        software: '0.1.0',
        ...time(),
      }),
    ]
    const isReading: boolean[] = [false]
    while (said.length < statements) {
      const kind = random()
      const now = time()
      const last = said.at(-1)!
      isReading.push(kind < 0.9)
      const device = { device: cuff.device, station: cuff.station }
      if (kind < 0.3) said.push(epoch.reading({ ...now, ...device }))
      else if (kind < 0.9) {
        const { attribution: _, ...unscanned } = pressure
        said.push(epoch.say('reading', { ...unscanned, ...now, notes: ['unattributed'] }))
      } else if (kind < 0.96 && isReading.at(-2) === true) {
        const claim = { epoch: epoch.epoch, seq: last.seq, band: 'BAND-0002', scannedMono: now.time.mono }
        said.push(epoch.event('reading-claimed', claim, now))
      } else if (kind < 0.98) {
        const { wall, boot: id, mono } = now.time
        said.push(epoch.event('clock-anchored', { boot: id, mono, wall: Math.max(wall, morning) }, now))
      } else said.push(epoch.event('intake-near-full', { used: 900, quota: 1000 }, now))
    }
    // a power cut: the last rows never reached the disk, or never left the box
    const kept = chance(0.3) ? said.length - 1 - below(Math.min(8, said.length - 1)) : said.length
    const { seq, head } = said[kept - 1]!
    before = { epoch: epoch.epoch, seq, head }
    return {
      messages: said.slice(0, kept).map(one => one.message),
      readings: isReading.slice(0, kept).filter(Boolean).length,
    }
  }
  return { life, enrolments: () => enrolments }
}

/** The same messages as a bad line brings them: some twice, and each up to so many places from where it was. */
export function disordered(messages: readonly Message[], far: number, random: () => number): Message[] {
  const twice = messages.flatMap(one => (random() < 0.05 ? [one, one] : [one]))
  return twice
    .map((one, at) => ({ one, at: at + random() * far }))
    .sort((a, b) => a.at - b.at)
    .map(({ one }) => one)
}
