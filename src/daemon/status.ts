import type { CallAnswer, Status } from '../control/api.ts'
import type { Waiting } from './abandon.ts'
import type { OutboxStats } from './custody.ts'
import { type Drain, drainsOf } from './draining-sums.ts'
import { entryNotice } from './entry-end.ts'
import type { Gateway } from './gateway.ts'
import { certificateNotices, keysShown } from './rotation.ts'
import { wishNotices } from './wishes.ts'

/** Percent. A&D tell 100, 66, 40 and 33 only, and 33 is empty soon. */
const lowBattery = 33

const noIntake = { used: 0, quota: 0, percent: 0, refusingSince: null }
const empty = {
  queued: 0,
  sent: 0,
  receipted: 0,
  forgotten: 0,
  bytes: 0,
  quota: 0,
  oldest: null,
  intake: noIntake,
}

/** Percent of the intake quota from which people are told, as the server is (WIRE 6.4). */
const nearPercent = 80
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
  intake: { ...stats.intake, percent: Math.floor((stats.intake.used * 100) / stats.intake.quota) },
})

/** What needs a person's attention, the gravest first. */
function noticesOf(gateway: Gateway, status: Omit<Status, 'notices'>, waiting?: Waiting): string[] {
  const notices: string[] = []
  const { uplink, outbox, clock, routeValidUntil, phase } = status
  if (uplink.refusal !== undefined) {
    notices.push(
      'SERVER_KEY_UNPINNED: somebody answers in the place of the server; nothing is sent until the true one is back',
    )
  }
  if (outbox.intake.refusingSince !== null) {
    const since = new Date(outbox.intake.refusingSince).toISOString().slice(0, 16)
    notices.push(`readings are refused since ${since}Z: the outbox is full; open the way to the server`)
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
  if (link !== undefined) notices.push(...wishNotices(link.wishes(), status.version))
  const book = link?.book()
  if (book?.own !== undefined) notices.push('the registry has revoked this gateway: tell the operator')
  if (book?.moved !== undefined) {
    notices.push(
      `the registry binds this gateway to server ${book.moved.server}, whose entry or certificate did not come yet; it goes on with its own`,
    )
  }
  if (book?.refused !== undefined) notices.push(book.refused.message)
  for (const { server, queued, fault } of status.former) {
    const rows = queued === null ? 'rows' : `${queued} rows`
    const why = fault === null ? '' : `: ${fault.message}`
    if (queued !== 0) notices.push(`${rows} still wait for the former server ${server}${why}`)
  }
  for (const { key, rows } of waiting?.keys ?? []) {
    notices.push(
      `${rows} rows under the revoked key ${key} are refused for good: the operator can have them given up (abandon)`,
    )
  }
  const [epoch, ...others] = link?.disagreed() ?? []
  if (epoch !== undefined) {
    const more = others.length === 0 ? '' : `, nor for ${others.length} more`
    notices.push(
      `the server’s answer for epoch ${epoch} does not agree with this box${more}; nothing is deleted for it: tell the operator`,
    )
  }
  if (outbox.intake.percent >= nearPercent) {
    notices.push(`the outbox is ${outbox.intake.percent} % full: from 100 % on readings are refused`)
  }
  const ending = routeValidUntil === null ? undefined : entryNotice(routeValidUntil, link?.serverTime())
  if (ending !== undefined) notices.push(ending)
  notices.push(...certificateNotices(status, link?.serverTime()))
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
  await gateway.steady()
  const identity = gateway.identity()
  const link = gateway.link()
  const route = identity.phase === 'fresh' ? undefined : identity.route
  const sums = await link?.custody.stats()
  const drains = await drainsOf(gateway.formers())
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
    former: drains.map(one => one.shown),
    clock: { source, uncertainty, wall },
    certificate:
      route === undefined ? null : { notAfter: route.notAfter, next: route.renewed?.notAfter ?? null },
    keys: identity.phase === 'fresh' ? null : keysShown(identity),
    routeValidUntil: route?.entry.until ?? null,
  }
  const waiting = link === undefined ? undefined : await gateway.abandoning.waiting()
  return { ...status, notices: noticesOf(gateway, status, waiting) }
}

/** What `vitalgate outbox stats` shows. */
export const outboxOf = (
  stats: OutboxStats,
  sent: number,
  drains: readonly Drain[],
): CallAnswer<'outbox'> => ({
  ...sumsOf(stats, sent),
  former: drains.map(one => one.shown),
  epochs: [stats, ...drains.flatMap(one => one.stats ?? [])]
    .flatMap(one => one.epochs)
    .map(({ epoch, server, seq, queued, receipted }) => ({
      epoch,
      server,
      seq,
      queued,
      receipted,
    })),
})
