import type { Log } from '../base/log.ts'
import { isBelow } from '../base/version.ts'
import type { WelcomeBody } from '../wire/session.ts'

/** What the server said of this gateway with its last welcome (WIRE 7.2). Nothing of it stops collecting or sending. */
export interface Wishes {
  /** Its key or disk may be in two places: it is commanded nothing until an operator releases it (WIRE 9.13). */
  held: boolean
  /** The lowest version that the server wants, where this software is below it. */
  outdated: string | undefined
}

/** Keeps what the last welcome wished, and logs each change. */
export function makeWishes(software: string, log: Log) {
  let now: Wishes = { held: false, outdated: undefined }
  return {
    take({ status, minVersion }: Pick<WelcomeBody, 'status' | 'minVersion'>): void {
      const before = now
      now = { held: status === 'hold', outdated: isBelow(software, minVersion) ? minVersion : undefined }
      if (now.held !== before.held) {
        if (now.held) log.warn('the server holds this gateway')
        else log.info('the server has released this gateway')
      }
      if (now.outdated !== undefined && now.outdated !== before.outdated) {
        log.warn({ version: software, reason: minVersion }, 'the server wants newer software')
      }
    },
    now: (): Wishes => now,
  }
}

/** Sentences for people, the gravest first. */
export function wishNotices({ held, outdated }: Wishes, software: string): string[] {
  return [
    ...(held
      ? [
          'the server holds this gateway: another box may have its key or an older copy of its card; readings are taken and sent, commands are not given: ask the operator, and say whether the card was copied or put back',
        ]
      : []),
    ...(outdated === undefined
      ? []
      : [
          `this software is ${software} and the server wants ${outdated} or newer: update it; readings are taken and sent, most commands are refused`,
        ]),
  ]
}
