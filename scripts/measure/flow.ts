import type { RunningBox } from './box.ts'
import { resetPeak, type Used, usedBy } from './process.ts'
import type { Scales } from './scales.ts'
import type { Stage } from './stage.ts'

/** Both ends of the way while they run: a gateway, and the receiver or the sink in its place. */
export interface Ends {
  box: RunningBox
  /** Process id of the other end. */
  server: number
}

/** What a number of readings took, and what it cost each end. */
export interface Flow {
  /** Readings a second, from the first byte at a port to the last receipt. */
  rate: number
  /** Readings a second, to the last one on the gateway's disk; 0 where none was taken. */
  taken: number
  /** Seconds of processor time for 1,000 readings. */
  gatewayCpu: number
  serverCpu: number
  /** Most resident memory meanwhile, megabytes. */
  gatewayPeak: number
  serverPeak: number
  /** Bytes that the gateway caused to be written for one reading. */
  written: number
}

interface Both {
  gateway: Used
  server: Used
}

/** Looks at both ends, and says how far they are from there when asked. */
function watchBoth({ box, server }: Ends): (readings: number) => Omit<Flow, 'rate' | 'taken'> {
  const look = (): Both => ({ gateway: usedBy(box.pid), server: usedBy(server) })
  for (const pid of [box.pid, server]) resetPeak(pid)
  const was = look()
  return readings => {
    const is = look()
    const cpu = (name: keyof Both): number => ((is[name].cpu - was[name].cpu) / readings) * 1000
    return {
      gatewayCpu: cpu('gateway'),
      serverCpu: cpu('server'),
      gatewayPeak: is.gateway.peak,
      serverPeak: is.server.peak,
      written: (is.gateway.written - was.gateway.written) / readings,
    }
  }
}

/** All scales print at once: until everything is receipted. */
export async function measureBurst(
  stage: Stage,
  ends: Ends,
  scales: Scales,
  readings: number,
): Promise<Flow> {
  const { box } = ends
  await stage.until('an empty outbox', box.drained)
  const { all } = await box.outbox()
  const used = watchBoth(ends)
  const began = performance.now()
  const printing = scales.print(readings)
  await stage.until('everything taken', async () => (await box.outbox()).all >= all + readings)
  const taken = readings / ((performance.now() - began) / 1000)
  await stage.until('everything receipted', box.drained)
  const rate = readings / ((performance.now() - began) / 1000)
  await printing
  return { rate, taken, ...used(readings) }
}

/** Readings that are on their way at a time while a flow does not end, and the part of it that is warm-up. */
const ahead = 2000
const warmUp = 0.2
const topUpMs = 20

/** The scales print as fast as receipts come, at most `ahead` in front of them, for so many seconds. */
export async function measureSustained(
  stage: Stage,
  ends: Ends,
  scales: Scales,
  seconds: number,
): Promise<Flow> {
  const { box } = ends
  await stage.until('an empty outbox', box.drained)
  const first = (await box.outbox()).all
  const receipted = async (): Promise<number> => {
    const { all, queued } = await box.outbox()
    return all - queued - first
  }
  let printed = 0
  let printing: Promise<void> | undefined
  /** Lets it flow for so long; how many were receipted by then, and when that was. */
  const flow = async (ms: number): Promise<{ done: number; at: number }> => {
    const began = performance.now()
    for (;;) {
      const done = await receipted()
      const at = performance.now()
      if (at - began >= ms) return { done, at }
      const room = ahead - (printed - done)
      if (room > 0 && printing === undefined) {
        printed += room
        printing = scales.print(room).finally(() => {
          printing = undefined
        })
      }
      await new Promise(resolve => setTimeout(resolve, topUpMs))
    }
  }
  await flow(seconds * warmUp * 1000)
  await stage.until('the first receipt', async () => (await receipted()) > 0)
  const from = await flow(0)
  const used = watchBoth(ends)
  const to = await flow(seconds * 1000)
  const readings = to.done - from.done
  const result = { rate: readings / ((to.at - from.at) / 1000), taken: 0, ...used(Math.max(1, readings)) }
  await stage.until('everything receipted', async () => (await receipted()) >= printed)
  await printing
  return result
}

/**
 * Rows wait and their server has come back: until all are receipted. It begins with the first receipt, for how long
 * a gateway waits before it tries again is another question.
 */
export async function measureDrain(stage: Stage, ends: Ends, rows: number): Promise<Flow> {
  const { box } = ends
  let left = rows
  await stage.until('the first receipt', async () => {
    left = (await box.outbox()).queued
    return left < rows
  })
  const used = watchBoth(ends)
  const seconds = await stage.until('everything receipted', box.drained)
  return { rate: left / seconds, taken: 0, ...used(left) }
}

/** Bytes that the gateway writes for a reading that comes alone: each is receipted before the next is printed. */
export async function measureWritten(
  stage: Stage,
  { box }: Ends,
  scales: Scales,
  readings: number,
): Promise<number> {
  await stage.until('an empty outbox', box.drained)
  const { all } = await box.outbox()
  const before = usedBy(box.pid).written
  for (let number = 1; number <= readings; number++) {
    await scales.print(1)
    await stage.until('its receipt', async () => {
      const now = await box.outbox()
      return now.queued === 0 && now.all >= all + number
    })
  }
  return (usedBy(box.pid).written - before) / readings
}
