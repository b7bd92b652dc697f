import { Command } from 'commander'
import { print, printJson, table } from '../base/output.ts'
import type { DeviceState, Phase, Status } from '../control/api.ts'
import { ago, day, mebibytes, span } from './amounts.ts'
import { contextOf, daemonOf } from './context.ts'

const phases: Record<Phase, string> = {
  fresh: 'not provisioned (no request made yet)',
  requested: 'not provisioned (request made, no bundle accepted yet)',
  accepted: 'not provisioned (bundle accepted, not verified yet)',
  provisioned: 'provisioned',
}

const ways: Record<Status['uplink']['state'], string> = {
  off: 'off',
  connecting: 'connecting',
  connected: 'connected, the server has not proved its key yet',
  welcomed: 'connected, the server has proved its key',
  refused: 'refused',
}

const clocks: Record<Status['clock']['source'], string> = {
  ntp: 'synchronised (ntp)',
  rtc: 'from the clock chip',
  saved: 'not synchronised (saved time)',
  none: 'not synchronised',
}

function uplinkLine({ state, broker, since }: Status['uplink'], now: number): string {
  const where = broker === null ? '' : `, ${broker}`
  const how = since === null ? '' : ` (for ${span(Math.max(0, now - since))})`
  return `${ways[state]}${how}${where}`
}

function outboxLine({ queued, receipted, oldest, intake }: Status['outbox'], now: number): string {
  const waiting =
    queued === 0
      ? 'nothing waits'
      : `${queued} wait for a receipt, the oldest for ${oldest === null ? '0 s' : span(now - oldest)}`
  const { used, quota, percent } = intake
  const room = quota === 0 ? '' : `; ${mebibytes(used)} of ${mebibytes(quota)} (${percent} %)`
  return `${waiting}; ${receipted} signed for and still kept${room}`
}

function certificateLine({ notAfter, next }: NonNullable<Status['certificate']>, now: number): string {
  const days = Math.floor((notAfter - now) / 86_400_000)
  const left = days < 0 ? 'run out' : `${days} days left`
  const waits = next === null ? '' : `; a newer one, until ${day(next)}, waits for its first connection`
  return `until ${day(notAfter)} (${left})${waits}`
}

/** A server that this box was moved away from, while rows are on their way to it. */
function formerLine({ server, state, queued, receipted, fault }: Status['former'][number]): string {
  if (queued === null) return `server ${server}: its outbox cannot be opened (${fault?.code ?? 'no fault'})`
  const rows = `${queued} wait for a receipt; ${receipted ?? 0} signed for and still kept`
  return `server ${server}: ${ways[state]}; ${rows}`
}

/** What there is to say about the box, one line each. */
function boxLines(status: Status): [string, string][] {
  const { uplink, certificate, routeValidUntil, clock } = status
  const now = clock.wall
  const lines: [string, string][] = [
    ['box', `${phases[status.phase]}, version ${status.version}, running for ${span(status.uptimeMs)}`],
  ]
  if (status.gateway !== null) lines.push(['gateway', status.gateway])
  if (status.server !== null) lines.push(['server', `${status.server} (site ${status.site ?? '-'})`])
  lines.push(['uplink', uplinkLine(uplink, now)])
  if (uplink.refusal !== undefined) {
    const { flag, count, fingerprint, since } = uplink.refusal
    lines.push(['', `${flag}: ${count} times, first ${ago(since, now)}, key ${fingerprint}`])
  }
  lines.push(['receipt', ago(uplink.lastReceipt, now)])
  lines.push(['outbox', outboxLine(status.outbox, now)])
  for (const one of status.former) lines.push(['former', formerLine(one)])
  lines.push(['clock', clocks[clock.source]])
  if (certificate !== null) lines.push(['certificate', certificateLine(certificate, now)])
  if (typeof status.keys?.next === 'string') {
    lines.push(['keys', `${status.keys.kid}; ${status.keys.next} is proposed and waits for the operator`])
  }
  if (routeValidUntil !== null) lines.push(['route', `until ${day(routeValidUntil)}`])
  return lines
}

/** What a device told of itself, in a few words. */
function selfText({ facts }: DeviceState): string {
  if (facts === undefined) return ''
  const { maker, model, firmware, battery } = facts
  const words = [[maker, model].filter(word => word !== undefined).join(' ')]
  if (firmware !== undefined) words.push(`firmware ${firmware}`)
  if (battery !== undefined) words.push(`battery ${battery} %`)
  const told = words.filter(word => word !== '').join(', ')
  return told === '' ? '' : ` (${told})`
}

const deviceRow = (one: DeviceState, now: number): string[] => [
  one.id,
  one.state,
  one.station,
  String(one.readings),
  ago(one.lastReading, now),
  String(one.faults),
  one.lastFault === undefined ? '' : `${one.lastFault.code} ${ago(one.lastFault.at, now)}`,
  `${one.driver} at ${one.port}${selfText(one)}`,
]

/** The status as text: what needs attention first, then the box, then its devices. */
export function statusText(status: Status): string {
  const lines = boxLines(status)
  const width = Math.max(...lines.map(([name]) => name.length))
  const box = lines.map(([name, text]) => `${name.padEnd(width)}  ${text}`)
  const notices = status.notices.map(one => `! ${one}`)
  const rows = status.devices.map(one => deviceRow(one, status.clock.wall))
  const head = ['DEVICE', 'STATE', 'STATION', 'READINGS', 'LAST', 'FAULTS', 'LAST FAULT', 'DRIVER AND PORT']
  const devices = rows.length === 0 ? 'no device was added yet' : table(head, rows)
  const above = notices.length === 0 ? [] : [...notices, '']
  return [...above, ...box, '', devices].join('\n')
}

/** `vitalgate status`: how the box stands. */
export const statusCommand = (): Command =>
  new Command('status')
    .description('how the box stands: devices, outbox, way to the server')
    .addHelpText(
      'after',
      '\nExample: vitalgate status --json\n\nExit codes: 0 done, 10 daemon not running, 13 not permitted',
    )
    .action(async (_given: object, command: Command) => {
      const context = contextOf(command)
      const status = await daemonOf(context).ask('status', {})
      if (context.json) printJson(status)
      else print(statusText(status))
    })
