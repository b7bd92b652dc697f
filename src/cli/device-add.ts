import type { Command } from 'commander'
import { Fault } from '../base/fault.ts'
import { print, printJson, say, usage } from '../base/output.ts'
import { addressText, parseAddress } from '../base/portname.ts'
import type { DeviceBody, ScanLine } from '../control/api.ts'
import type { Client } from '../control/client.ts'
import { contextOf, daemonOf } from './context.ts'
import { bonds, optionsOf } from './device-options.ts'
import { typed } from './typed.ts'

export interface AddOptions {
  driver?: string
  port: string
  station: string
  option?: Record<string, string>
}

type Found = Exclude<ScanLine, { kind: 'fault' }>
type Proposal = Found['proposals'][number]

/** How long is looked for a device that must speak to be seen. */
const lookSeconds = 30

/** What is at a port, as soon as it is seen; undefined where nothing was. */
async function lookAt(daemon: Client, port: string): Promise<Found | undefined> {
  const end = new AbortController()
  const lines = await daemon.follow('scan', { seconds: lookSeconds }, end.signal)
  const overBle = port.startsWith('ble://')
  if (overBle && process.stderr.isTTY) say('looking for the device: switch it on, or into pairing mode')
  let seen: Found | undefined
  try {
    for await (const line of lines) {
      if (line.kind === 'fault') {
        if (overBle)
          throw new Fault('ble.absent', line.message, line.hint === null ? {} : { hint: line.hint })
        break
      }
      // all serial ports are told first
      if (line.kind === 'ble' && !overBle) break
      if (line.port !== port && !('path' in line && line.path === port)) continue
      seen = line
      // its services may be known a moment after its name
      if (line.proposals.length > 0 || line.kind === 'serial') break
    }
  } finally {
    end.abort()
  }
  return seen
}

const described = ({ driver, model, options }: Proposal): string => {
  const set = Object.entries(options).map(([name, value]) => `${name}=${value}`)
  return `${driver} for ${model}${set.length === 0 ? '' : ` (${set.join(' ')})`}`
}

/** The one driver that fits, or the one that a person chooses of several. */
async function choose(port: string, proposals: readonly Proposal[]): Promise<Proposal> {
  const [first, ...others] = proposals
  if (first === undefined) {
    const hint = 'name one with --driver (list: vitalgate drivers), or see what comes: vitalgate device test'
    throw new Fault('driver.unknown', `no driver knows what is at ${port}`, { hint })
  }
  if (others.length === 0) return first
  say(`more than one driver fits ${port}:`)
  for (const [at, one] of proposals.entries()) say(`  ${at + 1}  ${described(one)}`)
  const answer = await typed(
    'which one (number): ',
    `name one with --driver: ${proposals.map(one => one.driver).join(', ')}`,
  )
  const chosen = /^\d+$/.test(answer) ? proposals[Number(answer) - 1] : undefined
  if (chosen === undefined) throw usage(`${answer} is none of these numbers`)
  return chosen
}

/** Pairs with a device that a person has in pairing mode. */
async function pair(daemon: Client, port: string): Promise<void> {
  for await (const { step, detail } of await daemon.follow('pair', { port })) {
    if (step !== 'passkey') {
      say(step === 'paired' ? `paired with ${detail}` : `pairing with ${detail}`)
      continue
    }
    if (detail.startsWith('type at')) {
      say(detail)
      continue
    }
    const answer = await typed(`${detail}: `, 'pair on a terminal')
    if (!/^\d{6}$/.test(answer)) throw usage('that is not six digits')
    await daemon.ask('passkey', { port, passkey: Number(answer) })
  }
}

/** The driver and options that were typed, or that the device's signs propose; a device that must bond is paired. */
async function settled(daemon: Client, given: AddOptions): Promise<Omit<DeviceBody, 'id'>> {
  const { station } = given
  const port = addressText(parseAddress(given.port))
  const overBle = port.startsWith('ble://')
  const seen = given.driver === undefined || overBle ? await lookAt(daemon, port) : undefined
  if (overBle && seen === undefined) {
    throw new Fault('ble.lost', `nothing with address ${port.slice(6)} was heard`, {
      hint: 'hold it near and switch it on, then type it again; what is around: vitalgate device scan',
    })
  }
  const proposal =
    given.driver === undefined
      ? await choose(port, seen?.proposals ?? [])
      : { driver: given.driver, options: {} }
  const { driver } = proposal
  const options = { ...proposal.options, ...(await optionsOf(driver, given.option ?? {})) }
  const paired = seen?.kind === 'ble' && seen.paired
  if (overBle && !paired && (await bonds(driver, options))) await pair(daemon, port)
  return { driver, port, station, options }
}

/** `vitalgate device add`. */
export async function add(id: string, given: AddOptions, command: Command): Promise<void> {
  const context = contextOf(command)
  const daemon = daemonOf(context)
  const answer = await daemon.ask('addDevice', { id, ...(await settled(daemon, given)) })
  if (context.json) return printJson(answer)
  const { driver, port, station } = answer.device
  if (answer.already) return print(`device ${id} was already added`)
  print(`device ${id} added: ${driver} at ${port}, station ${station}`)
  print('its readings wait at the receiver until an operator has accepted it')
}
