import { systemClock } from '../base/clock.ts'
import { Fault, isFault } from '../base/fault.ts'
import { say, usage } from '../base/output.ts'
import { parseAddress } from '../base/portname.ts'
import type { Client } from '../control/client.ts'
import { type Device, listen } from '../daemon/device.ts'
import type { Setup } from '../driver/setup.ts'
import { type CaptureHeader, captureLimit, parseCapture } from '../transport/capture.ts'
import { after, type Port } from '../transport/port.ts'
import { recorded, recorder } from '../transport/recorder.ts'

/** A recording as it grows: told at every chunk and frame, so that people see that something comes. */
export interface Heard {
  bytes: number
  chunks: number
  /** Frames, and those of them that are no fault; undefined where no driver listens. */
  frames?: number
  understood?: number
}

/** Records for so many seconds, or until it is ended; gives the text of the capture. */
export type Source = (seconds: number, end: AbortSignal, heard: Heard) => Promise<string>

/** What a port is opened with, as typed. */
export interface PortWords {
  port: string
  baud?: number
}

/** The port that was named. A BLE device, and a serial port without a speed, are faults. */
async function portOf(
  { port, baud }: PortWords,
  setup: Setup | undefined,
): Promise<{ port: Port; link: 'serial' | 'tcp' }> {
  const address = parseAddress(port)
  if (address.kind === 'ble' || (setup !== undefined && 'ble' in setup.link)) {
    throw usage(
      'a BLE device is recorded by the daemon',
      'add it, then: vitalgate capture record --device ID',
    )
  }
  if (address.kind === 'tcp') {
    const { tcpPort } = await import('../transport/tcp.ts')
    return { port: tcpPort(address.host, address.port), link: 'tcp' }
  }
  const card = setup !== undefined && 'serial' in setup.link ? setup.link.serial : undefined
  const speed = baud ?? card?.baud
  if (speed === undefined) throw usage('a serial port needs a speed', 'give --baud BITS, or --driver ID')
  // Loaded here: the other commands on captures need no native module.
  const { serialPort } = await import('../transport/serial.ts')
  return { port: serialPort(address.path, { ...card, baud: speed }), link: 'serial' }
}

/** The daemon holds its ports for itself. */
function refusal(fault: Fault): Fault {
  if (!/in use/.test(fault.message)) return fault
  const hint =
    'if the daemon reads this device: vitalgate capture record --device ID (list: vitalgate device list)'
  return new Fault(fault.code, fault.message, { hint, cause: fault })
}

/** Records at a port that nobody else has. With a driver it also asks what the driver asks. */
export const fromPort =
  (words: PortWords, header: Omit<CaptureHeader, 'capture' | 'link'>, setup: Setup | undefined): Source =>
  async (seconds, end, heard) => {
    const { port, link } = await portOf(words, setup)
    let text = ''
    const began = systemClock.mono()
    const notes = recorder({ capture: 1, ...header, link }, part => (text += part), began)
    let stop = (): void => {}
    let device: Device | undefined
    try {
      await new Promise<void>((resolve, reject) => {
        let opened = false
        const callOff = after(seconds * 1000, resolve)
        stop = () => {
          callOff()
          resolve()
        }
        if (end.aborted) return stop()
        end.addEventListener('abort', stop, { once: true })
        const line: Port = recorded(
          {
            ...port,
            open: events =>
              port.open({
                ...events,
                chunk(bytes, mono) {
                  heard.bytes += bytes.length
                  heard.chunks++
                  events.chunk(bytes, mono)
                  if (notes.full()) stop()
                },
                back() {
                  if (opened) say('the device is back')
                  opened = true
                  events.back()
                },
                gone(fault) {
                  if (!opened) reject(refusal(fault))
                  else say(`${fault.message}; waiting for it to come back`)
                  events.gone(fault)
                },
              }),
          },
          notes,
        )
        if (setup === undefined) {
          line.open({ chunk: () => {}, back: () => {}, gone: () => {} })
          return
        }
        heard.frames = 0
        heard.understood = 0
        device = listen({ setup, port: line, clock: systemClock, after, said: () => {}, broken: reject })
        device.tap({
          outcomes(outcomes) {
            heard.frames! += outcomes.length
            heard.understood! += outcomes.filter(one => !('fault' in one.heard)).length
          },
        })
      })
    } finally {
      stop()
      // A device that is asked would be asked for ever.
      await device?.stop()
      await port.close()
    }
    return text
  }

/** Records what a device of the daemon says, without disturbing it. */
export const fromDaemon =
  (daemon: Client, device: string): Source =>
  async (seconds, end, heard) => {
    let text = ''
    try {
      for await (const line of await daemon.follow('record', { device, seconds }, end)) {
        if (text.length + line.text.length > captureLimit) break
        const header = text === ''
        text += line.text
        if (header) continue
        const chunk = parseLine(line.text)
        heard.bytes += chunk
        heard.chunks += chunk > 0 ? 1 : 0
      }
    } catch (fault) {
      // Ended on purpose, or by a daemon that stopped: what came is kept.
      if (!isFault(fault) || text === '') throw fault
      if (!end.aborted) say(`the recording was cut short: ${fault.message}`)
    }
    return text
  }

/** How many bytes from the device a line of a capture holds. */
const parseLine = (text: string): number => {
  const { lines } = parseCapture(`{"capture":1,"link":"serial"}\n${text}`)
  return lines.reduce((sum, line) => sum + (line.way === 'in' ? line.bytes.length : 0), 0)
}
