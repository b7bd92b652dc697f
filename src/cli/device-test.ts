import type { Command } from 'commander'
import { unhex } from '../base/bytes.ts'
import { print, printJson, say, usage } from '../base/output.ts'
import type { StreamBody, TestLine } from '../control/api.ts'
import { contextOf, daemonOf } from './context.ts'
import { optionsOf } from './device-options.ts'
import { readable } from './readable.ts'

interface TestOptions {
  driver?: string
  port?: string
  option?: Record<string, string>
  seconds: number
}

/** Why a frame that is not understood may be so, for the person in front of the device. */
const cures: Record<string, string> = {
  'frame.malformed': 'not this driver’s form: another driver, speed or option?',
  'frame.too-long': 'no ending found: another driver or speed?',
  'frame.check': 'damaged: cable, speed or parity option?',
  'driver.invalid': 'the driver is wrong: please report it with a capture',
}

const states = {
  open: 'the line is open: use the device now',
  waiting: 'waiting for the device to come: switch it on, or measure',
  gone: 'the device is not there',
  refused: 'the port may not be used, or the device is not paired',
} as const

function meaning(line: TestLine): string {
  if (line.silent !== undefined) return `silent: ${line.silent}`
  if (line.fault !== undefined) {
    return `${line.fault}: ${line.why ?? ''}${cures[line.fault] === undefined ? '' : ` (${cures[line.fault]})`}`
  }
  const counts = line.counts === true ? '  << counts' : ''
  if (line.scanned !== undefined) return `band ${line.scanned}${counts}`
  const values = Object.entries(line.measured ?? {}).map(
    ([kind, { value, unit }]) => `${kind} ${value} ${unit.replace('mm[Hg]', 'mmHg')}`,
  )
  const time = line.deviceTime === undefined ? [] : [`device time ${line.deviceTime}`]
  const id = line.deviceId === undefined ? [] : [`device id ${line.deviceId}`]
  return `${[...values, ...time, ...id].join(', ')}${counts}`
}

function show(line: TestLine): void {
  const at = (line.t / 1000).toFixed(1).padStart(6)
  if (line.state !== undefined) print(`${at}  -- ${states[line.state]}`)
  if (line.frame === undefined) return
  const char = line.char === undefined ? '' : `${line.char} `
  print(`${at}  ${char}${readable(unhex(line.frame))}  ${meaning(line)}`)
}

async function bodyOf(id: string | undefined, given: TestOptions): Promise<StreamBody<'test'>> {
  const { driver, port, seconds } = given
  if (id !== undefined && driver === undefined && port === undefined) return { device: id, seconds }
  if (id !== undefined || driver === undefined || port === undefined) {
    throw usage(
      'name a device that was added, or a driver and a port to try it at',
      'see: vitalgate device test --help',
    )
  }
  return { driver, port, seconds, options: await optionsOf(driver, given.option ?? {}) }
}

/** `vitalgate device test`: shows live what a device says, and what is made of it. */
export async function test(id: string | undefined, given: TestOptions, command: Command): Promise<void> {
  const context = contextOf(command)
  const lines = await daemonOf(context).follow('test', await bodyOf(id, given))
  let frames = 0
  let understood = 0
  for await (const line of lines) {
    if (line.frame !== undefined) frames++
    if (line.measured !== undefined || line.scanned !== undefined || line.silent !== undefined) understood++
    if (context.json) printJson(line)
    else show(line)
  }
  if (context.json) return
  if (frames === 0) {
    say('not a byte came: is it switched on, is the cable its own, does it send by itself or on a key?')
  } else {
    say(`${frames} frames came, ${understood} of them understood; nothing was taken by this test`)
  }
}
