import type { RefusalReason } from './broker-refusals.ts'

/** Why somebody was refused, and what it was about. */
export type Why = readonly [reason: RefusalReason, detail: string]

/** A line that is a refusal by itself. `who` is a client id or an address, as Mosquitto happens to print. */
interface Sentence {
  pattern: RegExp
  reason: RefusalReason
  detail?: string
}

/**
 * What Mosquitto 2.0 says of refusals (its src/handle_*.c, src/loop.c, src/net.c). It cuts every line at about
 * 1000 bytes, so no pattern asks for what comes after a topic.
 */
const sentences: readonly Sentence[] = [
  { pattern: /^Denied PUBLISH from (?<who>\S+) \([^']*'(?<detail>.*)/, reason: 'forbidden-publish' },
  {
    pattern: /^Too high QoS in PUBLISH from (?<who>\S+), disconnecting/,
    reason: 'forbidden-publish',
    detail: 'QoS 2',
  },
  {
    pattern: /^Client (?<who>\S+) disconnected due to QoS too high or retain not supported/,
    reason: 'forbidden-publish',
    detail: 'retained or QoS 2',
  },
  {
    // 2.0.11 has no words for a retained message; no broken line comes this way
    pattern: /^Bad socket read\/write on client (?<who>\S+): Unknown error/,
    reason: 'forbidden-publish',
    detail: 'retained, or what the broker has no word for',
  },
  { pattern: /^Dropped too large PUBLISH from (?<who>\S+) \([^']*'(?<detail>.*)/, reason: 'packet-too-long' },
  { pattern: /^Client (?<who>\S+) disconnected due to oversize p/, reason: 'packet-too-long' },
  {
    pattern: /^Client (?<who>\S+) disconnected due to (?<detail>malformed packet|protocol error)/,
    reason: 'packet-malformed',
  },
  {
    pattern: /^(?<detail>Invalid (?:protocol version|protocol|Will QoS))\b.* in CONNECT from (?<who>\S+)\.$/,
    reason: 'packet-malformed',
  },
  {
    pattern:
      /^(?<detail>(?:Empty|Invalid) (?:(?:un)?subscription string|QoS in \w[\w ]*)) from (?<who>\S+), disconnecting/,
    reason: 'packet-malformed',
  },
  {
    pattern: /^Protocol error from (?<who>\S+): (?<detail>password without username)/,
    reason: 'packet-malformed',
  },
  {
    pattern: /^Client (?<who>\S+) connected with too large Will payload/,
    reason: 'will',
    detail: 'too large',
  },
  { pattern: /^Client (?<who>\S+) disconnected, not authorised/, reason: 'not-enrolled' },
  { pattern: /^Outgoing messages are being dropped for client (?<who>\S+)\.$/, reason: 'reads-too-slowly' },
  { pattern: /^Client connection from (?<who>\S+) denied: max_conn/, reason: 'too-many-connections' },
  { pattern: /^(?:Unable to accept new connection), system socket count/, reason: 'too-many-waiting' },
]

/** The topic without what Mosquitto prints after it, unless that was cut off. */
const withoutEnd = (detail: string): string => detail.replace(/', \.\.\. \(\d+ bytes\)\)$/, '')

/** What a line says of a refusal by itself, and of whom; undefined where it says nothing. */
export function refusalIn(says: string): { who: string | undefined; why: Why } | undefined {
  for (const { pattern, reason, detail } of sentences) {
    const found = pattern.exec(says)
    if (found === null) continue
    const { who, detail: named = '' } = found.groups ?? {}
    return { who, why: [reason, detail ?? withoutEnd(named)] }
  }
  return undefined
}

/** OpenSSL's reason at the end of `error:0A0000C7:SSL routines::peer did not return a certificate`. */
const tlsReason = /^error:[0-9A-F]+:SSL routines:[^:]*:(.+)$/

/** Why a handshake failed, as OpenSSL says it; undefined where it is no suspicion. */
export function tlsRefusal(error: string): Why | undefined {
  const why = tlsReason.exec(error)?.[1]
  // a broken line, or somebody who only looked whether the port is open
  if (why === undefined || why === 'unexpected eof while reading') return undefined
  if (why === 'peer did not return a certificate') return ['no-certificate', '']
  if (why === 'certificate verify failed') return ['foreign-certificate', 'foreign, revoked or out of date']
  return ['no-tls', why]
}

/** Seconds since 1970, or local time with its offset: what `log_timestamp_format` is exported as. */
const stamped = /^(?:(\d{9,12})|(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)([+-]\d\d)(\d\d)): /

/** When a line was written, in milliseconds since 1970 and never after `now`, and what it says. */
export function datedLine(line: string, now: number): { at: number; says: string } {
  const found = stamped.exec(line)
  if (found === null) return { at: now, says: line }
  const [stamp, seconds, local, hours, minutes] = found
  const at = seconds === undefined ? Date.parse(`${local}${hours}:${minutes}`) : Number(seconds) * 1000
  return { at: Number.isNaN(at) ? now : Math.min(at, now), says: line.slice(stamp.length) }
}
