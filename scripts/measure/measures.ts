import { setTimeout as pause } from 'node:timers/promises'
import { startBox } from './box.ts'
import { withReceiver, withSink } from './ends.ts'
import type { Measured } from './figures.ts'
import { type Ends, type Flow, measureBurst, measureDrain, measureSustained, measureWritten } from './flow.ts'
import type { Ground } from './ground.ts'
import { measureLatency } from './latency.ts'
import type { Group } from './options.ts'
import { preciseCpu, usedBy } from './process.ts'
import { startReceiver } from './receiver.ts'
import { measureVerified, messagesOf } from './verifying.ts'

const thousands = (count: number): string => count.toLocaleString('en')

/** Measures something so many times, one after the other. */
async function repeat<T>(times: number, measure: (time: number) => Promise<T>): Promise<T[]> {
  const all: T[] = []
  for (let time = 0; time < times; time++) all.push(await measure(time))
  return all
}

const writtenNote =
  'write_bytes of /proc/PID/io: pages of 4 KiB made dirty; without the journal of the file system'

async function latency({ stage, scales, whole }: Ground): Promise<Measured> {
  const receiver = await startReceiver(stage)
  try {
    const samples = await measureLatency(stage, whole, scales, stage.sizes.single)
    const title = 'last byte at the port to verified receipt'
    return { latency: { title, unit: 'ms', limit: 'fsync', samples } }
  } finally {
    await receiver.stop()
  }
}

/** Bursts and a flow without end, at whichever two ends. */
async function flows({ stage, scales }: Ground, ends: Ends): Promise<{ bursts: Flow[]; sustained: Flow }> {
  const { burst, bursts, sustained } = stage.sizes
  const all = await repeat(bursts, () => measureBurst(stage, ends, scales, burst))
  return { bursts: all, sustained: await measureSustained(stage, ends, scales, sustained) }
}

async function whole(ground: Ground): Promise<Measured> {
  const { stage, whole: state } = ground
  const { bursts, sustained } = await withReceiver(stage, state, ends => flows(ground, ends))
  const of = (number: keyof Flow): number[] => bursts.map(flow => flow[number])
  const count = thousands(stage.sizes.burst)
  return {
    'whole-burst': {
      title: `gateway and receiver: burst of ${count}, all receipted`,
      ...{ unit: '/s', limit: 'verify', samples: of('rate') },
    },
    'whole-taken': {
      title: `gateway and receiver: burst of ${count}, all on the gateway’s disk`,
      ...{ unit: '/s', limit: 'sign', samples: of('taken') },
    },
    'whole-sustained': {
      title: `gateway and receiver: ${stage.sizes.sustained} s without end, receipted`,
      ...{ unit: '/s', limit: 'verify', samples: [sustained.rate] },
    },
    'whole-gateway-cpu': {
      title: 'processor time of the gateway, bursts',
      ...{ unit: 's/1,000', limit: 'sign-cpu', samples: of('gatewayCpu') },
    },
    'whole-receiver-cpu': {
      title: 'processor time of the receiver, bursts',
      ...{ unit: 's/1,000', limit: 'verify-cpu', samples: of('serverCpu') },
    },
    'whole-gateway-memory': {
      title: 'most memory of the gateway, bursts',
      ...{ unit: 'MB', limit: 'node-memory', samples: of('gatewayPeak') },
    },
    'whole-receiver-memory': {
      title: 'most memory of the receiver, bursts',
      ...{ unit: 'MB', limit: 'node-memory', samples: of('serverPeak') },
    },
  }
}

async function gateway(ground: Ground): Promise<Measured> {
  const { stage } = ground
  const state = await ground.alone('burst')
  const { bursts, sustained } = await withSink(stage, state, ends => flows(ground, ends))
  const of = (number: keyof Flow): number[] => bursts.map(flow => flow[number])
  const count = thousands(stage.sizes.burst)
  return {
    'gateway-burst': {
      title: `gateway alone: burst of ${count}, all receipted by the sink`,
      ...{ unit: '/s', limit: 'sign', samples: of('rate') },
    },
    'gateway-taken': {
      title: `gateway alone: burst of ${count}, all on disk`,
      ...{ unit: '/s', limit: 'sign', samples: of('taken') },
    },
    'gateway-sustained': {
      title: `gateway alone: ${stage.sizes.sustained} s without end, receipted`,
      ...{ unit: '/s', limit: 'sign', samples: [sustained.rate] },
    },
    'gateway-cpu': {
      title: 'gateway alone: processor time, bursts',
      ...{ unit: 's/1,000', limit: 'sign-cpu', samples: of('gatewayCpu') },
    },
    'gateway-memory': {
      title: 'gateway alone: most memory, bursts',
      ...{ unit: 'MB', limit: 'node-memory', samples: of('gatewayPeak') },
    },
  }
}

/** Drains so many rows, with the sink and with the receiver. */
async function drainOf(ground: Ground, rows: number, times: number, suffix: string): Promise<Measured> {
  const { stage, whole: state } = ground
  const filled: number[] = []
  const disordered: number[] = []
  const alone = await repeat(times, async () => {
    const copy = await ground.alone('drain')
    filled.push(await ground.fill(copy, rows))
    return withSink(stage, copy, async (ends, sink) => {
      const flow = await measureDrain(stage, ends, rows)
      disordered.push((await sink.seen()).disordered)
      return flow
    })
  })
  const both = await repeat(times, async () => {
    filled.push(await ground.fill(state, rows))
    return withReceiver(stage, state, ends => measureDrain(stage, ends, rows))
  })
  const after = `after an outage of ${thousands(rows)}`
  return {
    [`drain-gateway${suffix}`]: {
      title: `gateway alone: drain ${after}`,
      ...{ unit: '/s', limit: 'publish', samples: alone.map(({ rate }) => rate) },
    },
    [`drain-disordered${suffix}`]: {
      title: 'rows that came to the sink before one that precedes them',
      ...{ unit: 'rows', samples: disordered },
    },
    [`drain-whole${suffix}`]: {
      title: `gateway and receiver: drain ${after}`,
      ...{ unit: '/s', limit: 'verify', samples: both.map(({ rate }) => rate) },
    },
    [`drain-gateway-cpu${suffix}`]: {
      title: 'processor time of the gateway, draining',
      ...{ unit: 's/1,000', samples: both.map(({ gatewayCpu }) => gatewayCpu) },
    },
    [`drain-receiver-cpu${suffix}`]: {
      title: 'processor time of the receiver, draining',
      ...{ unit: 's/1,000', limit: 'verify-cpu', samples: both.map(({ serverCpu }) => serverCpu) },
    },
    [`custody${suffix}`]: {
      title: 'custody alone: signed, sealed, chained and on disk',
      ...{ unit: '/s', limit: 'sign', samples: filled },
    },
  }
}

async function drain(ground: Ground): Promise<Measured> {
  const { drain: rows, drains, drainLarge } = ground.stage.sizes
  const usual = await drainOf(ground, rows, drains, '')
  return drainLarge === undefined ? usual : { ...usual, ...(await drainOf(ground, drainLarge, 1, '-large')) }
}

async function verify(ground: Ground): Promise<Measured> {
  const { stage } = ground
  const messages = await messagesOf(await ground.alone('verify', stage.sizes.verified))
  const samples = await repeat(3, async () => measureVerified(stage, messages))
  const title = 'receiver, a second of one core: opened, verified, judged, committed, receipted'
  return { verified: { title, unit: '/s', limit: 'verify', samples } }
}

/** How long both ends may take to come to rest after their start. */
const restMs = 3000

async function idle({ stage, whole: state }: Ground): Promise<Measured> {
  const { idle: seconds } = stage.sizes
  return withReceiver(stage, state, async ({ box, server }) => {
    await pause(restMs)
    const began = performance.now()
    const before = [preciseCpu(box.pid), preciseCpu(server)] as const
    await pause(seconds * 1000)
    const wall = (performance.now() - began) / 1000
    const share = (pid: number, was: number): number => ((preciseCpu(pid) - was) / wall) * 100
    const memory = { unit: 'MB', limit: 'node-memory' } as const
    const title = (what: string): string => `${what}, connected and idle`
    return {
      'idle-gateway-cpu': {
        title: title(`gateway: processor time of a core in ${seconds} s`),
        ...{ unit: '%', samples: [share(box.pid, before[0])] },
      },
      'idle-receiver-cpu': {
        title: title(`receiver: processor time of a core in ${seconds} s`),
        ...{ unit: '%', samples: [share(server, before[1])] },
      },
      'idle-gateway-memory': { title: title('gateway: memory'), ...memory, samples: [usedBy(box.pid).rss] },
      'idle-receiver-memory': { title: title('receiver: memory'), ...memory, samples: [usedBy(server).rss] },
    }
  })
}

async function written({ stage, scales, whole: state }: Ground): Promise<Measured> {
  const { single, burst } = stage.sizes
  return withReceiver(stage, state, async ends => {
    const alone = await measureWritten(stage, ends, scales, single)
    const many = await measureBurst(stage, ends, scales, burst)
    const about = { unit: 'B', limit: 'envelope', note: writtenNote } as const
    return {
      'written-single': { title: 'written for a reading that comes alone', ...about, samples: [alone] },
      'written-burst': { title: 'written for a reading of a burst', ...about, samples: [many.written] },
    }
  })
}

async function start(ground: Ground): Promise<Measured> {
  const { stage } = ground
  const { starts, rows } = stage.sizes
  const readyOf = async (state: string): Promise<number[]> => {
    // the first start after a change compiles, and reads the programs from disk
    const times = await repeat(starts + 1, async () => {
      const box = await startBox(stage, state)
      await box.stop()
      return box.ready
    })
    return times.slice(1)
  }
  const about = { unit: 's', limit: 'node' } as const
  const full = await ground.alone('rows', rows)
  return {
    'start-empty': {
      title: 'start to ready, nothing waits',
      ...{ ...about, samples: await readyOf(await ground.alone('empty')) },
    },
    'start-rows': {
      title: `start to ready, ${thousands(rows)} rows wait`,
      ...{ ...about, samples: await readyOf(full) },
    },
  }
}

/** How each group is measured; in the order of `groups`. */
export const measures: Readonly<Record<Group, (ground: Ground) => Promise<Measured>>> = {
  ...{ latency, whole, gateway, drain, verify, idle, written, start },
}
