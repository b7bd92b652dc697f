import { bootId, systemClock } from '../base/clock.ts'
import { isFault } from '../base/fault.ts'
import { makePrivateFolder } from '../base/files.ts'
import { makeLog } from '../base/log.ts'
import { notify } from '../base/notify.ts'
import { serve } from '../control/serve.ts'
import { sweepFormer } from '../identity/former.ts'
import { adoptSecret } from '../identity/keys.ts'
import { finishMove } from '../identity/move.ts'
import { socketPlaces } from '../identity/places.ts'
import { beginWipe, finishWipe } from '../identity/wipe.ts'
import { after } from '../transport/port.ts'
import { makeGateway } from './gateway.ts'
import { handlersOf } from './handlers.ts'
import { watchMoments } from './moment.ts'
import { prepare, type Site } from './prepare.ts'

/** Where the daemon lives and which program it is. */
export interface RunOptions extends Site {
  software: string
}

/** Resolves at the first signal; the second one ends the process at once. */
const signalled = (): Promise<string> =>
  new Promise(resolve => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        process.once(signal, () => process.exit(130))
        resolve(signal)
      })
    }
  })

/**
 * The daemon: start-up as a list, shutdown its mirror. Resolves after a signal; rejects when something that
 * must not fail did. Readiness means that ports, outbox and control socket are up; the broker may be away.
 */
export async function runDaemon(options: RunOptions): Promise<void> {
  // a wipe that the power cut short; before anything is read of what it destroys
  finishWipe(options.state)
  // likewise a move; before anything is opened of what it puts elsewhere
  finishMove(options.state)
  sweepFormer(options.state)
  const { config, drivers, devices, identity } = await prepare(options)
  makePrivateFolder(options.state)
  const log = makeLog(config.logLevel)
  if (adoptSecret(options.state))
    log.info('the key file is under the credential now, the secret file is removed')
  const boot = bootId()
  const clock = systemClock
  let fail: (why: unknown) => void = () => {}
  const failed = new Promise<never>((_, reject) => {
    fail = reject
  })
  const moments = await watchMoments(clock, boot, moment => {
    const { mono, wall } = moment
    const anchor = async (): Promise<void> => {
      // told once only: not lost because the link is being opened anew just now
      await gateway.steady()
      if (gateway.link() === undefined) return
      await gateway.event({ event: 'clock-anchored', detail: { boot, mono, wall } })
    }
    anchor().catch((why: unknown) => {
      // a custody that ended has told it by itself; an outbox that is full is no reason to end
      if (isFault(why)) log.error({ code: why.code }, 'event not taken')
      else fail(why)
    })
  })
  let leave: (wipe: boolean) => void = () => {}
  const ordered = new Promise<string>(resolve => {
    leave = wipe => {
      if (wipe) beginWipe(options.state)
      resolve(wipe ? 'wipe' : 'restart')
    }
  })
  const parts = {
    leave,
    state: options.state,
    software: options.software,
    config,
    configFile: options.config,
    relevel: log.relevel,
    clock,
    after,
    boot,
    log,
    drivers,
    moments,
  }
  const gateway = makeGateway(parts, identity, fail)
  const stopped = signalled()

  await gateway.connect()
  for (const device of devices) gateway.stations.add(device)
  const [socket] = socketPlaces(options.state, config.controlSocket)
  const control = await serve(socket, handlersOf(gateway), fail)
  notify('READY=1')
  log.info({ phase: identity.phase, count: devices.length, path: socket }, 'ready')

  try {
    const signal = await Promise.race([stopped, ordered, failed])
    log.info({ signal }, 'stopping')
  } finally {
    notify('STOPPING=1')
    await control.stop()
    await gateway.stop()
    moments.stop()
    // nothing is open any more that could write into the folder
    if (finishWipe(options.state)) log.warn('wiped')
    log.info('stopped')
  }
}
