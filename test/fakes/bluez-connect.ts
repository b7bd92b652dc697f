import type { Adapter } from './bluez-adapter.ts'
import type { Faults, Standing } from './bluez-device.ts'
import { type Method, Refusal, refusal } from './bluez-tree.ts'
import type { World } from './bluez-world.ts'

/** What an attempt to connect leads to. */
export interface Outcome {
  /** The device is there no more. */
  vanish(): void
  up(): void
}

export interface Connecting {
  connect: Method
  /** Ends an attempt that is under way, with an error for the one who made it. Whether there was one. */
  callOff(): boolean
  stop(): void
}

/** Connect of one device, with its faults. */
export function openConnecting(
  world: World,
  adapter: Adapter,
  now: Readonly<Standing>,
  faults: Faults,
  outcome: Outcome,
): Connecting {
  let callOff: (() => void) | undefined
  const aborted = (): Refusal => refusal('Failed', 'le-connection-abort-by-local')

  /** Until the link would be there or it is clear that there will be none. */
  const attempt = (): Promise<void> =>
    new Promise<void>((done, fail) => {
      const { connectMs, absentMs } = world.pace
      const off = faults.stuck ? () => {} : world.after(now.onAir ? connectMs : absentMs, done)
      callOff = () => {
        off()
        fail(aborted())
      }
    }).finally(() => {
      callOff = undefined
    })

  const connect = async (): Promise<undefined> => {
    world.counts.connects++
    if (faults.vanishes) {
      faults.vanishes = false
      outcome.vanish()
      throw new Refusal('org.freedesktop.DBus.Error.UnknownObject', 'no such object')
    }
    if (!adapter.powered) throw refusal('Failed', 'le-connection-adapter-not-powered')
    if (now.connected) return
    if (callOff !== undefined) throw refusal('InProgress', 'In Progress')
    await attempt()
    if (faults.failConnects > 0) {
      faults.failConnects--
      throw aborted()
    }
    if (!now.onAir || (faults.wantsQuiet && adapter.discovering)) throw aborted()
    // a peer without its key ends the link as soon as it is to be encrypted
    if (now.paired && faults.forgotten) throw aborted()
    outcome.up()
  }

  return {
    connect: { run: connect },
    callOff() {
      const underWay = callOff !== undefined
      callOff?.()
      return underWay
    },
    stop() {
      callOff = undefined
    },
  }
}
