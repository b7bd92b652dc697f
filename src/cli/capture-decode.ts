import { hex } from '../base/bytes.ts'
import { Fault, type FaultCode } from '../base/fault.ts'
import { usage } from '../base/output.ts'
import type { Said } from '../driver/driver.ts'
import type { Drivers } from '../driver/load.ts'
import { type Choice, choiceOf } from '../driver/options.ts'
import { type Chunk, type Played, play } from '../driver/play.ts'
import { type Heard, type Outcome, openSession } from '../driver/session.ts'
import { type Setup, setUp } from '../driver/setup.ts'
import { shown } from '../reading/quantity.ts'
import type { Capture, CaptureLine } from '../transport/capture.ts'

/** What the command line says about a capture's driver. */
export interface Chosen {
  driver?: string
  /** Each `name=value`, as typed. */
  option?: readonly string[]
}

/** `name=value` as typed, against the options of a card. */
export function typedOptions(
  words: readonly string[],
  table: Parameters<typeof choiceOf>[0],
): Record<string, Choice> {
  return Object.fromEntries(
    words.map(word => {
      const [, name, value] = /^([^=]+)=(.*)$/.exec(word) ?? []
      if (name === undefined) throw usage(`option is not name=value: ${word}`)
      return [name, choiceOf(table, name, value!)]
    }),
  )
}

/** The driver and options of a capture: its header's, unless the command line says otherwise. */
export function setupOf(capture: Capture, drivers: Drivers, chosen: Chosen = {}): Setup {
  const { header } = capture
  const id = chosen.driver ?? header.driver
  if (id === undefined) {
    const hint = 'name the driver with --driver ID'
    throw new Fault('capture.invalid', 'the capture does not say which driver it is for', { hint })
  }
  const { driver } = drivers.of(id)
  const typed = typedOptions(chosen.option ?? [], driver.options ?? {})
  const recorded = id === header.driver ? header.options : {}
  const code: FaultCode = Object.keys(typed).length > 0 ? 'usage' : 'capture.invalid'
  const setup = setUp(driver, { ...recorded, ...typed }, `options of driver ${id}`, code)
  // A serial device behind a device server is recorded over TCP: the same bytes.
  const link = 'ble' in setup.link ? 'ble' : 'serial'
  if ((header.link === 'ble') !== (link === 'ble')) {
    throw new Fault('capture.invalid', `the capture is of link ${header.link}, driver ${id} of link ${link}`)
  }
  return setup
}

/** What a capture's device sent, as it came. */
export const chunksOf = ({ lines }: Capture): Chunk[] =>
  lines
    .filter(line => line.way === 'in')
    .map(({ t, bytes, char }) => ({ t, in: bytes, ...(char !== undefined && { char }) }))

/** Plays what a capture's device sent into a new session, at the recorded times. */
export const decodeCapture = (capture: Capture, setup: Setup): Played =>
  play(openSession(setup, 0), chunksOf(capture))

const saidRow = (said: Said): object =>
  'scanned' in said
    ? said
    : {
        ...said,
        measured: Object.fromEntries(Object.entries(said.measured).map(([kind, one]) => [kind, shown(one)])),
      }

const heardRow = (heard: Heard): object => {
  if ('silent' in heard) return { silent: heard.silent }
  return 'fault' in heard ? heard : saidRow(heard)
}

/** One frame as `decode --frames --json` prints it. */
export const frameRow = ({ frame, char, heard }: Outcome): object => ({
  frame: hex(frame),
  ...(char !== undefined && { char }),
  ...heardRow(heard),
})

/** A frame as `decode --json` prints it: what counts, or the fault; undefined where there is nothing to tell. */
export function countedRow({ heard, said }: Outcome): object | undefined {
  if (said !== undefined) return saidRow(said)
  return 'fault' in heard ? heardRow(heard) : undefined
}

/** A chunk as `show --json` prints it: as it stands in the capture. */
export const lineRow = ({ t, way, bytes, char }: CaptureLine): object => ({
  t,
  ...(char !== undefined && { char }),
  [way]: hex(bytes),
})
