import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import { Fault } from '../base/fault.ts'
import { fileFault, isThere } from '../base/files.ts'
import type { Log } from '../base/log.ts'
import { type Refusal, refusals } from './broker-refusals.ts'
import type { Parties } from './broker-rules.ts'
import { followLog } from './mosquitto-follow.ts'
import { readRefusals } from './refusal-log.ts'

/** Whose log to watch for refusals. */
export interface WatchSettings {
  /** Mosquitto's log file. */
  path: string
  /** The receiver's state folder: how far the log was read is kept in it. */
  state: string
  parties: Parties
  log: Log
  /** Called for everything that was refused, rate-limited per peer and reason. */
  onRefused(refusal: Refusal): void
  fail(error: unknown): void
  everyMs?: number
}

/** Watches a broker's log until stopped; refusals held back are reported before that. */
export interface BrokerWatch {
  stop(): Promise<void>
}

/** Fails at once where the log is there and may not be read: a log that comes later is waited for. */
function checkReadable(path: string): void {
  if (!isThere(path)) return
  try {
    accessSync(path, constants.R_OK)
  } catch (error) {
    const { code, message } = fileFault(path, error)
    const hint = `let the receiver's group read it: chgrp GROUP ${path} && chmod 640 ${path}`
    throw new Fault(code, message, { hint, cause: error })
  }
}

/** Reports what a Mosquitto refuses, as its log tells it, like the embedded broker does by itself. */
export function watchBroker(settings: WatchSettings): BrokerWatch {
  const { path, state, parties, log, onRefused, fail, everyMs } = settings
  checkReadable(path)
  let at = 0
  const told = refusals(onRefused, () => at)
  const read = readRefusals(parties)
  const follower = followLog({
    path,
    place: join(state, 'broker-log.json'),
    log,
    onLine: line => {
      for (const refusal of read(line, Date.now())) {
        at = refusal.at
        told.refuse(refusal, refusal.reason, refusal.detail)
      }
    },
    fail,
    ...(everyMs === undefined ? {} : { everyMs }),
  })
  return {
    stop: async () => {
      await follower.stop()
      told.flush()
    },
  }
}
