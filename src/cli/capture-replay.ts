import { Fault } from '../base/fault.ts'
import { loadDrivers } from '../driver/load.ts'
import type { Capture } from '../transport/capture.ts'
import type { Port } from '../transport/port.ts'
import { replayPort } from '../transport/replay.ts'
import { setupOf } from './capture-decode.ts'

export interface ReplayOptions {
  to: string
  speed: number
  baud?: number
  loop?: true
}

/** The speed that the capture's driver uses; 9600 where it names none that is installed. */
async function usualBaud(capture: Capture): Promise<number> {
  if (capture.header.driver === undefined) return 9600
  const { link } = setupOf(capture, await loadDrivers())
  if ('serial' in link) return link.serial.baud
  throw new Fault('capture.invalid', 'a capture of a BLE device cannot be played into a port', {
    hint: 'see what its driver makes of it: vitalgate capture decode',
  })
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

/**
 * Plays the bytes of a capture's device into a port, at recorded pace times `speed`. Fault `port.…` when
 * the port is not there or goes away, `interrupted` on SIGINT.
 */
export async function replayInto(path: string, capture: Capture, given: ReplayOptions): Promise<void> {
  const total = capture.lines.filter(line => line.way === 'in').length
  if (total === 0) throw new Fault('capture.invalid', `${path} has no bytes from a device`)
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
