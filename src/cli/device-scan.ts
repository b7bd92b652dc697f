import type { Command } from 'commander'
import { print, printJson, say, table } from '../base/output.ts'
import type { ScanLine } from '../control/api.ts'
import { contextOf, daemonOf } from './context.ts'

type Serial = Extract<ScanLine, { kind: 'serial' }>
type Ble = Extract<ScanLine, { kind: 'ble' }>

/** How near a device is, in words that help to find the right one. */
function nearness(rssi: number | null): string {
  if (rssi === null) return ''
  if (rssi > -60) return 'very near'
  return rssi > -75 ? 'near' : 'far'
}

/** What may be done with it: it is there already, or which drivers propose themselves. */
const proposalText = ({ device, proposals }: Serial | Ble): string =>
  device === null
    ? [...new Set(proposals.map(({ driver, model }) => `${driver} (${model})`))].join(' or ')
    : `is device ${device}`

const serialRow = (one: Serial): string[] => [
  one.port,
  one.usb ?? '',
  [one.maker, one.product, one.serial].filter(word => word !== null).join(' '),
  proposalText(one),
]

const bleRow = (one: Ble): string[] => [
  one.port,
  one.name ?? '',
  nearness(one.rssi),
  one.paired ? 'paired' : '',
  one.services.map(uuid => uuid.slice(0, 8)).join(' '),
  proposalText(one),
]

function show(serial: readonly Serial[], ble: ReadonlyMap<string, Ble>): void {
  if (serial.length === 0) print('no serial port is there')
  else print(table(['SERIAL PORT', 'USB', 'WHAT IT SAYS OF ITSELF', 'DRIVER'], serial.map(serialRow)))
  print('')
  const near = [...ble.values()].sort((a, b) => (b.rssi ?? -200) - (a.rssi ?? -200))
  if (near.length === 0) print('nothing advertises over Bluetooth: is the device switched on, or measuring?')
  else print(table(['BLE DEVICE', 'NAME', 'WHERE', '', 'SERVICES', 'DRIVER'], near.map(bleRow)))
}

/** `vitalgate device scan`: what is there. */
export async function scan({ seconds }: { seconds: number }, command: Command): Promise<void> {
  const context = contextOf(command)
  const lines = await daemonOf(context).follow('scan', { seconds })
  const serial: Serial[] = []
  const ble = new Map<string, Ble>()
  if (!context.json && process.stderr.isTTY) say(`listening for ${seconds} s; switch the device on`)
  for await (const line of lines) {
    if (context.json) printJson(line)
    else if (line.kind === 'serial') serial.push(line)
    else if (line.kind === 'ble') ble.set(line.port, line)
    else say(`no Bluetooth: ${line.message}${line.hint === null ? '' : ` (${line.hint})`}`)
  }
  if (!context.json) show(serial, ble)
}
