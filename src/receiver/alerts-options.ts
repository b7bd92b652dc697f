import { durationMs } from '../base/clock.ts'
import { isFault } from '../base/fault.ts'
import { say, usage } from '../base/output.ts'
import { type Channel, commandChannel, urlChannel } from './alerts-channel.ts'
import type { Telling } from './watch.ts'

/** The options of `run` by which operators are told, as they are typed. */
export interface TellingOptions {
  onFlag?: string
  onFlagUrl?: string
  silentGateway?: string
  silentDevice?: string
}

/** Shortest and longest, as typed and in milliseconds. Gateways shake hands every five minutes (WIRE 7.2). */
const gatewaySpan = { least: '1m', most: '7d', usual: '15m' }
const deviceSpan = { least: '36h', most: '30d' }

/** Whom to tell and of what; undefined if nobody. What is typed wrong is a fault `usage`, what is not there yet a warning. */
export function tellingOf(options: TellingOptions): Telling | undefined {
  const channels: Channel[] = []
  if (options.onFlag !== undefined) channels.push(commandChannel(options.onFlag))
  if (options.onFlagUrl !== undefined) channels.push(urlChannel(options.onFlagUrl))
  const silentGatewayMs = spanOf('--silent-gateway', options.silentGateway ?? gatewaySpan.usual, gatewaySpan)
  const silentDeviceMs = spanOf('--silent-device', options.silentDevice ?? 'off', deviceSpan)
  if (channels.length === 0) {
    if (options.silentGateway === undefined && options.silentDevice === undefined) return undefined
    throw usage('there is nobody to tell of what is silent', 'name somebody: --on-flag or --on-flag-url')
  }
  if (silentDeviceMs !== undefined && silentGatewayMs === undefined) {
    // a device behind a silent gateway is not silent
    throw usage('--silent-device needs --silent-gateway', 'leave out --silent-gateway off')
  }
  for (const channel of channels) warnOf(channel)
  return { channels, silentGatewayMs, silentDeviceMs }
}

/** A program that is not there must not keep the receiver from receiving: alerts wait until it is. */
function warnOf(channel: Channel): void {
  try {
    channel.check()
  } catch (error) {
    if (!isFault(error)) throw error
    say(`vitalgate-receiver: warning: nobody can be told: ${error.message}`)
  }
}

function spanOf(
  name: string,
  text: string,
  { least, most }: { least: string; most: string },
): number | undefined {
  if (text === 'off') return undefined
  const ms = durationMs(text)
  if (ms === undefined || ms < durationMs(least)! || ms > durationMs(most)!) {
    throw usage(`${name} is off or from ${least} to ${most}, not ${text}`, `such as ${name} ${least}`)
  }
  return ms
}
