import type { CallAnswer, Status } from '../control/api.ts'
import type { OutboxStats } from './custody.ts'
import type { Gateway } from './gateway.ts'

/** How long before the end of the server entry's validity people are told (DESIGN 6). */
const warnBeforeMs = 30 * 86_400_000

/** Percent. A&D tell 100, 66, 40 and 33 only, and 33 is empty soon. */
const lowBattery = 33

const empty = { queued: 0, sent: 0, receipted: 0, forgotten: 0, bytes: 0, quota: 0, oldest: null }
const noUplink: Status['uplink'] = { state: 'off', broker: null, since: null, lastReceipt: null }

/** The outbox in the numbers that people look at. */
export const sumsOf = (stats: OutboxStats, sent: number): Status['outbox'] => ({
  queued: stats.queued,
  sent,
  receipted: stats.receipted,
  forgotten: stats.since.forgotten,
  bytes: stats.usedBytes,
  quota: stats.quotaBytes,
  oldest: stats.oldest,
})

/** What needs a person's attention, the gravest first. */
function noticesOf(gateway: Gateway, status: Omit<Status, 'notices'>): string[] {
  const notices: string[] = []
  const { uplink, outbox, clock, routeValidUntil, phase } = status
  if (uplink.refusal !== undefined) {
    notices.push(
      'SERVER_KEY_UNPINNED: somebody answers in the place of the server; nothing is sent until the true one is back',
    )
  }
  if (gateway.refused() > 0)
    notices.push(`${gateway.refused()} readings were refused: ${gateway.whyRefused()}`)
  const identity = gateway.identity()
  if (identity.phase === 'requested' && identity.refused !== undefined) notices.push(identity.refused.message)
  if (phase === 'fresh') notices.push('not provisioned: type vitalgate provision request')
  if (phase === 'requested') notices.push('not provisioned: type vitalgate provision accept BUNDLE')
  if (phase === 'accepted') notices.push('not provisioned: type vitalgate provision verify')
  const link = gateway.link()
  const trouble = link?.trouble()
  if (trouble !== undefined && uplink.refusal === undefined) notices.push(trouble.message)
  const disbelieved = [...(link?.disbelieved() ?? [])].map(([code, count]) => `${code} ${count}×`)
  if (disbelieved.length > 0) notices.push(`what came down and was not believed: ${disbelieved.join(', ')}`)
  const unobeyed = [...(link?.commandsRefused() ?? [])].map(([code, count]) => `${code} ${count}×`)
  if (unobeyed.length > 0)
    notices.push(`COMMAND_REFUSED: commands that were not obeyed: ${unobeyed.join(', ')}`)
  const book = link?.book()
  if (book?.own !== undefined) notices.push('the registry has revoked this gateway: tell the operator')
  if (book?.moved !== undefined) {
    notices.push(
      `the registry binds this gateway to server ${book.moved.server}; it goes on with its own: ask the operator`,
    )
  }
  if (book?.refused !== undefined) notices.push(book.refused.message)
  const [epoch, ...others] = link?.disagreed() ?? []
  if (epoch !== undefined) {
    const more = others.length === 0 ? '' : `, nor for ${others.length} more`
    notices.push(
      `the server’s answer for epoch ${epoch} does not agree with this box${more}; nothing is deleted for it: tell the operator`,
    )
  }
  if (outbox.quota > 0 && outbox.bytes > outbox.quota * 0.8)
    notices.push('the outbox is more than four fifths full')
  if (routeValidUntil !== null && routeValidUntil - clock.wall < warnBeforeMs) {
    notices.push('the server entry ends within 30 days: ask the operator for a new bundle')
  }
  const why = gateway.ways.bluetooth()?.fault
  if (why !== undefined && status.devices.some(one => one.port.startsWith('ble:'))) {
    notices.push(`Bluetooth: ${why.message}${why.hint === undefined ? '' : ` (${why.hint})`}`)
  }
  for (const { id, facts, recording } of status.devices) {
    if (recording) notices.push(`what ${id} says is being recorded just now`)
    const { battery } = facts ?? {}
    if (battery !== undefined && battery <= lowBattery) {
      notices.push(`the battery of ${id} is at ${battery} %: change it`)
    }
  }
  if (clock.source === 'none' || clock.source === 'saved') notices.push('the clock is not synchronised')
  return notices
}

/** Everything that `vitalgate status` shows. */
export async function statusOf(gateway: Gateway): Promise<Status> {
  const { parts, stations } = gateway
  const identity = gateway.identity()
  const link = gateway.link()
  const route = identity.phase === 'fresh' ? undefined : identity.route
  const sums = await link?.custody.stats()
  const { source, uncertainty, wall } = parts.moments.at()
  const status: Omit<Status, 'notices'> = {
    version: parts.software,
    phase: identity.phase,
    gateway: identity.phase === 'fresh' ? null : identity.gateway,
    server: route?.server ?? null,
    site: route?.binding.site ?? null,
    uptimeMs: parts.clock.mono() - gateway.startedMono,
    devices: stations.states(),
    outbox: sums === undefined ? empty : sumsOf(sums, link?.sent() ?? 0),
    uplink: link?.status() ?? noUplink,
    clock: { source, uncertainty, wall },
    certificate: route === undefined ? null : { notAfter: route.notAfter },
    routeValidUntil: route?.entry.until ?? null,
  }
  return { ...status, notices: noticesOf(gateway, status) }
}

/** What `vitalgate outbox stats` shows. */
export const outboxOf = (stats: OutboxStats, sent: number): CallAnswer<'outbox'> => ({
  ...sumsOf(stats, sent),
  epochs: stats.epochs.map(({ epoch, server, seq, queued, receipted }) => ({
    epoch,
    server,
    seq,
    queued,
    receipted,
  })),
})
