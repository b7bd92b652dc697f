import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { codeOf } from '../../src/base/fault.ts'
import { type } from '../scenario/program.ts'
import type { RunningBox } from './box.ts'
import type { Stage } from './stage.ts'

/** Scales at lines of their own, as bedside scales that print each weighing are. */
export interface Scales {
  count: number
  /** The port of the first. */
  port: string
  /** Puts them to a box that runs, and waits until each line is open. */
  add(box: RunningBox): Promise<void>
  /** Prints so many weighings, spread evenly over the scales; resolves when the lines have taken all bytes. */
  print(weighings: number): Promise<void>
  close(): void
}

/** Lines that one write hands over: less than the buffer of a pseudo terminal (4,096 bytes). */
const linesAtOnce = 100
/** A line that takes nothing now belongs to a box that has enough to do. */
const againMs = 1

let printed = 0

/** What a scale prints next: no two after each other are alike, for the driver would take them for one weighing. */
function nextLine(): string {
  const weight = (40 + (printed++ % 6000) / 100).toFixed(2).padStart(7, '0')
  return `ST,GS,+${weight}kg\r\n`
}

/** Writes a text to a line that may be full, as a device with flow control does; nothing is left out. */
async function writeAll(line: number, text: string): Promise<void> {
  let rest = Buffer.from(text)
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(line, rest))
    } catch (error) {
      if (codeOf(error) !== 'EAGAIN') throw error
      await new Promise(resolve => setTimeout(resolve, againMs))
    }
  }
}

async function printOn(line: number, weighings: number): Promise<void> {
  for (let left = weighings; left > 0; left -= linesAtOnce) {
    await writeAll(line, Array.from({ length: Math.min(left, linesAtOnce) }, nextLine).join(''))
    // the other lines want to print as well
    await new Promise(resolve => setImmediate(resolve))
  }
}

/** Lays the lines. */
export async function openScales({ site, sizes, until }: Stage): Promise<Scales> {
  const count = sizes.scales
  const ports = new Map<string, string>()
  const lines: number[] = []
  for (let at = 1; at <= count; at++) {
    const { port, device } = await site.plug(`scale-${at}`)
    ports.set(`scale-${at}`, port)
    lines.push(openSync(device, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK))
  }
  return {
    count,
    port: ports.get('scale-1')!,
    async add({ client }) {
      for (const [id, port] of ports) {
        const options = { mode: 'on-print' }
        await client.ask('addDevice', { id, driver: 'and-line', station: 'bench', options, port })
      }
      await until('every scale open', async () => {
        const { devices } = await client.ask('status', {})
        return devices.filter(one => one.state === 'open').length >= count
      })
    },
    async print(weighings) {
      const each = Math.floor(weighings / count)
      const more = weighings % count
      await Promise.all(lines.map((line, at) => printOn(line, each + (at < more ? 1 : 0))))
    },
    close: () => lines.forEach(closeSync),
  }
}

/** The operator accepts the scales of a gateway, once their proposals have come. */
export async function acceptScales({ site, until }: Stage, gateway: string, count: number): Promise<void> {
  const typed = (...words: string[]): Promise<string> =>
    type('vitalgate-receiver', ['--state', site.receiver, 'registry', 'devices', ...words])
  const names = Array.from({ length: count }, (_, at) => `scale-${at + 1}`)
  await until('every proposal', async () => {
    const told = await typed('list', gateway, '--json')
    return names.every(name => told.includes(`"${name}"`))
  })
  for (const name of names) await typed('accept', gateway, name)
}
