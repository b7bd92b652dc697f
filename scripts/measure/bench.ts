import { isFault } from '../../src/base/fault.ts'
import { type Figures, figuresOf, type Measured } from './figures.ts'
import { type Ground, prepareGround } from './ground.ts'
import { measureLimits } from './limits.ts'
import { loadNow, machineOf } from './machine.ts'
import { measures } from './measures.ts'
import type { Options } from './options.ts'
import { measurePublish } from './publish.ts'
import type { Report } from './report.ts'
import type { Stage } from './stage.ts'
import { messagesOf } from './verifying.ts'

/** Rows of which the length of an envelope is taken. */
const sample = 64
/** Bytes of the place in front of an envelope (WIRE 8.3). */
const placeLength = 16

/** The limits that need a box: what a broker alone takes, and how long an envelope is. */
async function limitsOf({ stage, whole, alone }: Ground): Promise<Measured> {
  const payloads = (await messagesOf(await alone('sample', sample))).map(({ payload }) => payload)
  const readings = payloads.slice(-sample)
  const { limits: times, published: messages } = stage.sizes
  const rates = await measurePublish(stage, whole, readings[0]!, { messages, times })
  return {
    publish: { title: 'QoS 1 over TLS to the same broker, nothing else', unit: '/s', samples: rates },
    envelope: {
      title: 'bytes of a reading’s envelope',
      ...{ unit: 'B', samples: readings.map(({ length }) => length - placeLength) },
    },
  }
}

/** Measures what was asked for; a group that fails is told, and the others go on. */
export async function runBench(
  stage: Stage,
  { size, only }: Pick<Options, 'size' | 'only'>,
): Promise<Report> {
  const began = performance.now()
  const when = new Date().toISOString()
  const before = loadNow()
  const ground = await prepareGround(stage)
  const failures: Report['failures'] = []
  const profiles: Report['profiles'] = {}
  try {
    stage.tell('limits of this machine')
    const raw: Measured = { ...measureLimits(stage.folder, stage.sizes.limits), ...(await limitsOf(ground)) }
    const limits = figuresOf(raw, {})
    let figures: Figures = {}
    for (const group of only) {
      stage.tell(group)
      stage.profiles?.clear()
      try {
        figures = { ...figures, ...figuresOf(await measures[group](ground), limits) }
      } catch (error) {
        if (!isFault(error)) throw error
        const { message, hint } = error
        stage.tell(`  not measured: ${message}`)
        failures.push({ group, message, ...(hint !== undefined && { hint }) })
      }
      if (stage.profiles !== undefined) profiles[group] = stage.profiles.read()
    }
    const load = { before, after: loadNow() }
    const seconds = Math.round((performance.now() - began) / 100) / 10
    const machine = machineOf(stage.folder)
    return { bench: 1, size, when, seconds, machine, load, limits, figures, failures, profiles }
  } finally {
    ground.scales.close()
  }
}
