import { hex } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import type { Handlers, TestLine } from '../control/api.ts'
import type { Outcome } from '../driver/session.ts'
import { setUp } from '../driver/setup.ts'
import { kindNames } from '../reading/kinds.ts'
import { digits } from '../reading/quantity.ts'
import type { After } from '../transport/port.ts'
import { recorder } from '../transport/recorder.ts'
import { captureHeader } from './captures.ts'
import { listen, type Tap } from './device.ts'
import type { Gateway } from './gateway.ts'

/** Resolves after so many seconds, or when somebody leaves. */
const awhile = (after: After, seconds: number, end: AbortSignal): Promise<void> =>
  new Promise(resolve => {
    const callOff = after(seconds * 1000, resolve)
    const leave = (): void => {
      callOff()
      resolve()
    }
    if (end.aborted) leave()
    else end.addEventListener('abort', leave, { once: true })
  })

/** What a frame meant, as it is shown to the technician. */
function meaning({ heard, said }: Outcome): Partial<TestLine> {
  if ('silent' in heard) return { silent: heard.silent }
  if ('fault' in heard) return { fault: heard.fault, why: heard.why }
  const counts = said !== undefined
  if ('scanned' in heard) return { scanned: heard.scanned, counts }
  const { deviceTime, deviceId, measured } = heard
  const values = kindNames.flatMap(kind => {
    const one = measured[kind]
    return one === undefined ? [] : [[kind, { value: digits(one), unit: one.u }] as const]
  })
  return {
    measured: Object.fromEntries(values),
    ...(deviceTime !== undefined && { deviceTime }),
    ...(deviceId !== undefined && { deviceId }),
    counts,
  }
}

/** Tells all that a device does, live. */
const teller = (send: (line: TestLine) => void, started: number): Tap => ({
  outcomes(outcomes, mono) {
    for (const one of outcomes) {
      const char = one.char === undefined ? {} : { char: one.char }
      send({ t: mono - started, frame: hex(one.frame), ...char, ...meaning(one) })
    }
  },
  state: (state, mono) => send({ t: mono - started, state }),
})

/** Listens to a device that was added, or tries a driver at a port that nobody has; nothing is taken. */
export const looking =
  ({ parts, stations, ways }: Gateway): Handlers['test'] =>
  async (body, send, end) => {
    const { clock, drivers, after } = parts
    const tap = teller(send, clock.mono())
    if ('device' in body) {
      const callOff = stations.tap(body.device, tap)
      await awhile(after, body.seconds, end)
      callOff()
      return
    }
    const taken = stations.at(body.port)
    if (taken !== undefined) {
      const hint = `test it by its name: vitalgate device test ${taken}`
      throw new Fault('device.exists', `port ${body.port} is that of device ${taken}`, { hint })
    }
    const setup = setUp(drivers.of(body.driver).driver, body.options, 'options', 'input.invalid')
    let broke: unknown
    const device = listen({
      setup,
      port: ways.port(body.port, setup.link),
      clock,
      after,
      said: () => {},
      broken: error => {
        broke = error
      },
    })
    device.tap(tap)
    await awhile(after, body.seconds, end)
    await device.stop()
    if (broke !== undefined) throw broke
  }

/** Records what a device says, without disturbing it; the lines go to who asked, and nowhere else. */
export const recording =
  ({ parts, stations }: Gateway): Handlers['record'] =>
  async ({ device, seconds }, send, end) => {
    const { after, clock, log, drivers } = parts
    const header = captureHeader({ clock, drivers, stations }, device)
    const recording = recorder(header, text => send({ text }), clock.mono())
    const callOff = stations.tap(device, {
      chunk: (way, bytes, mono, char) => recording.note(way, bytes, mono, char),
      records: true,
    })
    log.warn({ device, seconds }, 'recording began')
    await awhile(after, seconds, end)
    callOff()
    log.warn({ device }, 'recording ended')
  }
