import type { CaptureLine } from '../../src/transport/capture.ts'
import { type Gatt, longUuid, shortUuid, type Value } from './bluez-gatt.ts'
import type { World } from './bluez-world.ts'

/**
 * What a device has stored and sends in its next session: a value, at the earliest `at` milliseconds after the
 * session began; or that it waits until a characteristic was written, from which `at` counts anew.
 */
export type Step = (Value & { at?: number }) | { awaits: string }

export interface Story {
  store(steps: readonly Step[]): void
  /** How many values were not sent yet. */
  readonly left: number
  /** Something changed: perhaps it can begin or go on. */
  poke(): void
  wrote(char: string): void
  /** The link is down. What was not sent stays for the next session. */
  stop(): void
}

/** What the story needs of the device. */
export interface Teller {
  readonly ready: boolean
  /** Must be written in every session before values are sent. */
  readonly waitsFor: string | undefined
  /**
   * A value was sent. `again`: it counts as not sent, since its confirmation was lost; `drop`: the link goes
   * down now.
   */
  sent(inSession: number): { again: boolean; drop: boolean }
  drop(): void
  /** Everything was sent. */
  told(): void
}

/** The steps that repeat a capture; what was read in it becomes what a read answers. */
export function stepsOf(lines: readonly CaptureLine[], gatt: Gatt): Step[] {
  let from = 0
  const steps: Step[] = []
  for (const { t, way, bytes, char = '' } of lines) {
    const value = Buffer.from(bytes).toString('hex')
    const flags = gatt.flags(char)
    if (way === 'out') {
      steps.push({ awaits: shortUuid(longUuid(char)) })
      from = t
    } else if (flags.includes('notify') || flags.includes('indicate')) {
      steps.push({ at: t - from, char, value })
    } else gatt.set(char, value)
  }
  return steps
}

export function openStory(world: World, gatt: Gatt, teller: Teller): Story {
  const steps: Step[] = []
  let written = new Set<string>()
  let began: number | undefined
  let inSession = 0
  let resumed = false
  let cancel = (): void => {}

  const values = (): (Value & { at?: number })[] => steps.filter(step => 'value' in step)

  const play = (): void => {
    cancel()
    for (let step = steps[0]; step !== undefined; step = steps[0]) {
      if ('awaits' in step) {
        if (!written.has(step.awaits)) return
        steps.shift()
        began = performance.now()
        written.delete(step.awaits)
        continue
      }
      const wait = began! + (step.at ?? 0) - performance.now()
      if (wait > 0) {
        cancel = world.after(Math.ceil(wait), play)
        return
      }
      gatt.came(step)
      const { again, drop } = teller.sent(++inSession)
      if (!again) steps.shift()
      if (drop) {
        teller.drop()
        return
      }
    }
    cancel = world.after(world.pace.endMs, teller.told)
  }

  const poke = (): void => {
    if (!teller.ready || steps.length === 0) return
    if (began === undefined) {
      const wanted = new Set(values().map(({ char }) => char))
      const enabled = [...wanted].every(char => gatt.subscribed(char))
      if (!enabled || (teller.waitsFor !== undefined && !written.has(teller.waitsFor))) return
      // of what is left from a session before, the first comes at once
      const first = steps[0]!
      began = performance.now() - (resumed && 'value' in first ? (first.at ?? 0) : 0)
    }
    play()
  }

  return {
    store(more) {
      if (steps.length === 0) {
        resumed = false
        // what was written so far was meant for an earlier story
        written = new Set([...written].filter(char => char === teller.waitsFor))
      }
      steps.push(...more)
      cancel()
      poke()
    },
    get left() {
      return values().length
    },
    poke,
    wrote(char) {
      written.add(char)
      poke()
    },
    stop() {
      cancel()
      if (inSession > 0) resumed = true
      began = undefined
      inSession = 0
      written = new Set()
    },
  }
}
