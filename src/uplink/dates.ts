import { X509Certificate } from 'node:crypto'
import { Fault, type FaultCode } from '../base/fault.ts'

/** A certificate that has dates: what it is to people, and from when until when it counts (ms since 1970). */
export interface Dated {
  what: string
  from: number
  until: number
}

/** A moment as people write it. No date that a certificate can have is beyond what Date holds, but a text may be none. */
export const dayOf = (ms: number): string =>
  Number.isNaN(new Date(ms).getTime()) ? 'an unreadable date' : new Date(ms).toISOString()

const isWithin = ({ from, until }: Dated, time: number): boolean => from <= time && time <= until

const told = ({ what, from, until }: Dated, time: number): string =>
  `${what} counts from ${dayOf(from)} until ${dayOf(until)}, and the server’s signed time is ${dayOf(time)}`

/**
 * Judges the dates of what the broker showed by the time that the server has signed, never by a clock of this
 * box (WIRE 8.4). Both ends count. Fault `server.expired`.
 */
export function checkDates(shown: readonly Dated[], time: number): void {
  const out = shown.find(one => !isWithin(one, time))
  if (out === undefined) return
  throw new Fault('server.expired', told(out, time), {
    hint: 'what was taken is kept; the broker needs a new certificate for the same key: tell the operator',
  })
}

/** What a server's refusal may mean where this box's own certificate has run out, as far as it is known here. */
const refusals: readonly FaultCode[] = ['server.unreachable', 'server.refused']

/** What to do about a certificate of this box that ran out. */
export const renewHint =
  'what was taken is kept; ask the operator for a new bundle and type: vitalgate provision accept BUNDLE'

/** The dates of this box's own certificate. */
export function ownDates(certificate: string): Dated {
  const { validFromDate, validToDate } = new X509Certificate(certificate)
  return { what: 'this box’s own certificate', from: validFromDate.getTime(), until: validToDate.getTime() }
}

/**
 * Why a broker let this box not in: its own certificate, where that has run out by the server's last signed
 * time. What was seen otherwise stays as the cause.
 */
export function explained(why: Fault, certificate: string, time: number | undefined): Fault {
  if (time === undefined || !refusals.includes(why.code)) return why
  const own = ownDates(certificate)
  if (isWithin(own, time)) return why
  return new Fault('certificate.expired', `${told(own, time)}; ${why.message}`, {
    hint: renewHint,
    cause: why,
  })
}
