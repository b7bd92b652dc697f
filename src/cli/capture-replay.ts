import { Fault } from '../base/fault.ts'
import { usage } from '../base/output.ts'
import { loadDrivers } from '../driver/load.ts'
import type { Capture } from '../transport/capture.ts'
import type { Port } from '../transport/port.ts'
import { replayPort } from '../transport/replay.ts'
import { type Chosen, setupOf } from './capture-decode.ts'
import { replayIntoDriver } from './capture-pace.ts'

export interface ReplayOptions extends Chosen {
  /** Path of a port, or `driver`. */
  to: string
  speed: number
  baud?: number
  loop?: true
  json?: true
}

/** The speed that the capture's driver uses; 9600 where it names none that is installed. */
async function usualBaud(capture: Capture): Promise<number> {
  if (capture.header.driver === undefined) return 9600
  const { link } = setupOf(capture, await loadDrivers())
  return 'serial' in link ? link.serial.baud : 9600
}

/** Resolves when the port is open; otherwise the fault that it tells. */
const opened = (port: Port, gone: (fault: Fault) => void): Promise<void> =>
  new Promise((resolve, reject) => {
    port.open({
      chunk: () => {},
      back: () => resolve(),
      gone(fault) {
        reject(fault)
        gone(fault)
      },
    })
  })

/** A line that tells how far the playing is; only on a terminal. */
function progress(total: number): { step(): void; done(): void } {
  if (!process.stderr.isTTY) return { step: () => {}, done: () => {} }
  let played = 0
  return {
    step() {
      played++
      process.stderr.write(`\rplayed ${((played - 1) % total) + 1} of ${total} chunks `)
    },
    done: () => process.stderr.write('\n'),
  }
}

/** `vitalgate capture replay`: into a port, or into the driver. */
export async function replay(path: string, capture: Capture, given: ReplayOptions): Promise<void> {
  if (!capture.lines.some(line => line.way === 'in')) {
    throw new Fault('capture.invalid', `${path} has no bytes from a device`)
  }
  if (given.to === 'driver') {
    if (given.baud !== undefined) throw usage('--baud is for a port, the driver takes bytes')
    if (given.loop === true && given.speed === Number.POSITIVE_INFINITY) {
      throw usage('--loop and --speed max together would never rest')
    }
    return replayIntoDriver(capture, setupOf(capture, await loadDrivers(), given), given)
  }
  if (given.driver !== undefined || given.option !== undefined) {
    throw usage('--driver and --option are for --to driver, a port takes bytes')
  }
  if (capture.header.link === 'ble') {
    throw new Fault('capture.invalid', 'a capture of a BLE device cannot be played into a port', {
      hint: 'play it into its driver: --to driver',
    })
  }
  return replayIntoPort(path, capture, given)
}

/**
 * Plays the bytes of a capture's device into a port, at recorded pace times `speed`. Fault `port.…` when
 * the port is not there or goes away, `interrupted` on SIGINT.
 */
async function replayIntoPort(path: string, capture: Capture, given: ReplayOptions): Promise<void> {
  const total = capture.lines.filter(line => line.way === 'in').length
  // Loaded here: the other commands on captures need no native module.
  const { serialPort } = await import('../transport/serial.ts')
  const target = serialPort(given.to, { baud: given.baud ?? (await usualBaud(capture)) })
  const source = replayPort(path, capture, { speed: given.speed, loop: given.loop === true })
  const shown = progress(total)
  let stop = (): void => {}
  try {
    await new Promise<void>((resolve, reject) => {
      stop = () => reject(new Fault('interrupted', 'replay was interrupted'))
      process.once('SIGINT', stop)
      let writing = opened(target, reject)
      writing.then(
        () =>
          source.open({
            chunk(bytes) {
              writing = writing.then(() => target.write(bytes)).then(shown.step)
              writing.catch(reject)
            },
            back: () => {},
            gone: () => void writing.then(resolve, reject),
          }),
        reject,
      )
    })
  } finally {
    process.off('SIGINT', stop)
    shown.done()
    await source.close()
    await target.close()
  }
}
