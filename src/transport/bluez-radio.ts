import { type Clock, systemClock } from '../base/clock.ts'
import { Fault, isFault } from '../base/fault.ts'
import { openBell } from './bell.ts'
import { type Adapter, openAdapter } from './bluez-adapter.ts'
import { loud } from './bluez-bus.ts'
import { type Job, jobs } from './bluez-jobs.ts'
import { ladder } from './bluez-ladder.ts'
import { connect, hangUp } from './bluez-link.ts'
import { forget, pair, pairMs } from './bluez-pairing.ts'
import { type After, after } from './port.ts'
import type { Advert, Radio, RadioFacts } from './radio.ts'

/** What a radio works with; the machine's own where nothing else is handed in. */
export interface RadioTools {
  clock: Clock
  after: After
  /** From 0 up to 1. */
  random(): number
  /** How long nobody at all may be heard while scanning before the adapter is thought to be stuck. */
  silenceMs: number
}

const sessionMs = 90_000
const forgetMs = 30_000
const firstWaitMs = 500
const longestWaitMs = 30_000

const nothingHeard = (): Fault =>
  new Fault('ble.lost', 'nothing is heard advertising, though the adapter was switched off and on', {
    hint: 'normal where nothing advertises; otherwise unplug the adapter, or systemctl restart bluetooth',
  })

const closed = (): Fault => new Fault('ble.absent', 'the radio is closed')

/**
 * The radio over BlueZ and node-ble. One loop owns the adapter: it opens a connection to the bus, scans or
 * holds one session, and begins anew after each session and each loss, because node-ble's objects and
 * listeners do not outlive either.
 */
export function bluezRadio(handed: Partial<RadioTools> = {}): Radio {
  const tools: RadioTools = { clock: systemClock, after, random: Math.random, silenceMs: 600_000, ...handed }
  const { clock } = tools
  const watchers = new Set<(advert: Advert) => void>()
  const recovery = ladder(tools.silenceMs)
  const facts: RadioFacts = { state: 'closed', sessions: 0, rebuilds: 0 }
  let running: Promise<void> | undefined
  let current: Job | undefined
  let scanningSince = 0
  let lost = false
  /** Whether an adapter without power is given some: not after a person switched it off. */
  let mayPower = true

  const bell = openBell(tools.after)
  const queue = jobs(tools.after, bell.ring)

  const heard = (advert: Advert): void => {
    facts.lastAdvert = clock.mono()
    recovery.fine('silent')
    recovery.fine('scan')
    if (!recovery.spent()) delete facts.fault
    for (const seen of [...watchers]) loud(() => seen(advert))
  }

  const scan = async (adapter: Adapter): Promise<void> => {
    await adapter.discover(watchers.size > 0)
    if (watchers.size > 0 && facts.state !== 'scanning') scanningSince = clock.mono()
    facts.state = watchers.size > 0 ? 'scanning' : 'idle'
    if (!recovery.spent()) delete facts.fault
  }

  /** How long the adapter may still hear nothing, milliseconds. */
  const patience = (): number => {
    if (facts.state !== 'scanning') return recovery.patienceMs()
    return Math.max(scanningSince, facts.lastAdvert ?? 0) + recovery.patienceMs() - clock.mono()
  }

  /** One connection to the bus: until a session was held, nothing was heard for too long, a loss, or the end. */
  const life = async (adapter: Adapter): Promise<'renew' | 'silent'> => {
    while (running !== undefined) {
      const trouble = adapter.trouble()
      if (trouble !== undefined) throw trouble
      current = queue.next()
      if (current !== undefined) {
        facts.state = 'session'
        await current.run(adapter)
        current = undefined
        const loss = adapter.trouble()
        if (loss !== undefined) throw loss
        return 'renew'
      }
      await scan(adapter)
      const left = patience()
      if (left <= 0) return 'silent'
      await bell.rung(left)
    }
    return 'renew'
  }

  const failed = (cause: Fault, opened: boolean, connected: boolean): void => {
    lost = true
    facts.fault = cause
    facts.state = cause.code === 'ble.off' ? 'off' : 'absent'
    if (cause.code === 'ble.off') mayPower &&= !opened
    else if (cause.code === 'ble.absent') mayPower = true
    else if (connected) recovery.trouble('scan')
    // Those who wait for an adapter that was there until now may wait for its next connection.
    if (!opened) queue.refuse(cause)
  }

  const open = async (): Promise<Adapter> => {
    const cycle = recovery.cycleDue()
    const adapter = await openAdapter({ after: tools.after, heard, changed: bell.ring, mayPower, cycle })
    facts.adapter = `${adapter.name} ${adapter.address}`
    mayPower = true
    // a new connection scans anew
    if (facts.state === 'scanning' || facts.state === 'session') facts.state = 'idle'
    if (lost) facts.rebuilds++
    lost = false
    return adapter
  }

  /** Opens and lives once: whether it went as it should. */
  const round = async (): Promise<boolean> => {
    let adapter: Adapter | undefined
    try {
      adapter = await open()
      if ((await life(adapter)) === 'silent') {
        recovery.trouble('silent')
        if (recovery.spent()) facts.fault = nothingHeard()
        lost = true
      }
      return true
    } catch (cause) {
      if (!isFault(cause)) throw cause
      failed(cause, adapter !== undefined, adapter?.bus.lost() === undefined)
      return false
    } finally {
      adapter?.close()
    }
  }

  const loop = async (): Promise<void> => {
    let waitMs = firstWaitMs
    while (running !== undefined) {
      const since = clock.mono()
      const well = await round()
      // that the old connection is gone is no reason to hurry
      if (!queue.waiting()) bell.still()
      if (well || clock.mono() - since > longestWaitMs) waitMs = firstWaitMs
      if (well) continue
      // with jitter, so that two programs at one adapter do not meet again and again
      if (running !== undefined) await bell.rung(waitMs / 2 + (tools.random() * waitMs) / 2)
      waitMs = Math.min(waitMs * 2, longestWaitMs)
    }
  }

  /** A new link, whose outcome tells whether the adapter still connects at all. */
  const linked = async (adapter: Adapter, address: string, signal: AbortSignal) => {
    const peer = await connect(adapter, address, clock, signal).catch((cause: unknown) => {
      if (!adapter.bus.unanswered()) recovery.fine('connect')
      else {
        recovery.trouble('connect')
        if (recovery.spent() && isFault(cause)) facts.fault = cause
      }
      throw cause
    })
    recovery.fine('connect')
    return peer
  }

  return {
    open() {
      if (running !== undefined) return
      facts.state = 'absent'
      // set before the loop looks at it
      running = Promise.resolve()
      running = loop()
    },
    facts: () => ({ ...facts }),
    watch(seen) {
      // of its own, so that one listener may watch twice
      const watcher = (advert: Advert): void => seen(advert)
      watchers.add(watcher)
      bell.ring()
      return () => {
        watchers.delete(watcher)
        bell.ring()
      }
    },
    async session(address, work, signal) {
      if (running === undefined) throw closed()
      return queue.add(
        {
          ms: sessionMs,
          async act(adapter, over) {
            facts.sessions++
            return work(await linked(adapter, address, over))
          },
          tidy: adapter => hangUp(adapter, address),
        },
        signal,
      )
    },
    async pair(address, words, signal) {
      if (running === undefined) throw closed()
      await queue.add(
        {
          ms: pairMs,
          act(adapter) {
            facts.sessions++
            return pair(adapter, address, words)
          },
          tidy: adapter => hangUp(adapter, address),
        },
        signal,
      )
    },
    async forget(address) {
      if (running === undefined) throw closed()
      const work = { ms: forgetMs, act: (adapter: Adapter) => forget(adapter, address), tidy: async () => {} }
      await queue.add(work, new AbortController().signal)
    },
    async close() {
      const ending = running
      running = undefined
      const why = new Fault('interrupted', 'the radio is closed')
      queue.refuse(why)
      current?.stop(why)
      bell.ring()
      await ending
      queue.refuse(why)
      facts.state = 'closed'
    },
  }
}
