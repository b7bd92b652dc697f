import type { Command } from 'commander'
import { Fault, isFault } from '../base/fault.ts'
import { isThere } from '../base/files.ts'
import { exit, printJson, say, usage } from '../base/output.ts'
import { loadDrivers } from '../driver/load.ts'
import { setUp } from '../driver/setup.ts'
import { places } from '../identity/places.ts'
import { type Capture, parseCapture } from '../transport/capture.ts'
import { type Chosen, typedOptions } from './capture-decode.ts'
import { captureText, scrubbedWith, tellLikeness, writeClear, writeScrubbed } from './capture-file.ts'
import { showCapture } from './capture-show.ts'
import { fromDaemon, fromPort, type Heard, type Source } from './capture-source.ts'
import { type Context, contextOf, daemonOf } from './context.ts'

export interface RecordOptions extends Chosen {
  port?: string
  device?: string
  baud?: number
  seconds: number
  note?: string
  out?: string
}

/**
 * Whether what is recorded here may be of residents: on every box that has its keys. A fresh one stands on a
 * bench. Where nobody may look, it may be.
 */
async function mayHoldHealth(context: Context): Promise<boolean> {
  if (isThere(places(context.state).identity)) return true
  try {
    return (await daemonOf(context).ask('status', {})).phase !== 'fresh'
  } catch (fault) {
    if (!isFault(fault) || fault.code === 'config.invalid') throw fault
    return fault.code !== 'control.absent'
  }
}

/** Where the bytes come from, by what was typed. */
async function sourceOf(given: RecordOptions, context: Context): Promise<{ source: Source; name: string }> {
  const { port, device, driver, note, baud } = given
  if ((port === undefined) === (device === undefined)) {
    throw usage('name a port, or a device of the daemon', 'give --port PORT, or --device ID')
  }
  if (device !== undefined) {
    if ([baud, driver, given.option, note].some(one => one !== undefined)) {
      throw usage('the daemon knows how the device is set', 'leave out --baud, --driver, --option and --note')
    }
    return { source: fromDaemon(daemonOf(context), device), name: device }
  }
  const header = { when: new Date().toISOString().slice(0, 10), ...(note !== undefined && { note }) }
  const words = { port: port!, ...(baud !== undefined && { baud }) }
  if (driver === undefined) {
    if (given.option !== undefined) throw usage('--option is for a driver', 'name it with --driver ID')
    return { source: fromPort(words, header, undefined), name: port! }
  }
  const card = (await loadDrivers()).of(driver).driver
  const options = typedOptions(given.option ?? [], card.options ?? {})
  const setup = setUp(card, options, `options of driver ${driver}`, 'usage')
  return { source: fromPort(words, { driver, options, ...header }, setup), name: port! }
}

/** Ctrl-C ends a recording and keeps it; a second one ends the program. */
function untilInterrupted(): { end: AbortSignal; done(): void } {
  const ending = new AbortController()
  const others = process.listeners('SIGINT')
  const act = (): void => {
    if (ending.signal.aborted) process.exit(exit.interrupted)
    ending.abort()
  }
  process.removeAllListeners('SIGINT')
  process.on('SIGINT', act)
  return {
    end: ending.signal,
    done() {
      process.off('SIGINT', act)
      for (const other of others) process.on('SIGINT', other)
    },
  }
}

/** A line that tells what came and how long it goes on; only on a terminal. */
function progress(heard: Heard, total: number): () => void {
  if (!process.stderr.isTTY) return () => {}
  const began = performance.now()
  const tell = (): void => {
    const left = Math.max(0, Math.round(total - (performance.now() - began) / 1000))
    const frames = heard.frames === undefined ? '' : `${heard.frames} frames, `
    process.stderr.write(`\r${frames}${heard.bytes} bytes heard, ${left} s left (Ctrl-C ends and keeps it)  `)
  }
  tell()
  const timer = setInterval(tell, 1000)
  return () => {
    clearInterval(timer)
    process.stderr.write('\n')
  }
}

const silence =
  'is the device on and its cable in? does it send by itself, or on a key? wrong speed or driver?'

/** The recording, or a fault where the device did not say anything. */
async function record(source: Source, name: string, seconds: number): Promise<Capture> {
  const heard: Heard = { bytes: 0, chunks: 0 }
  const { end, done } = untilInterrupted()
  const shown = progress(heard, seconds)
  const text = await source(seconds, end, heard).finally(() => {
    shown()
    done()
  })
  const capture = parseCapture(text)
  if (!capture.lines.some(line => line.way === 'in')) {
    throw new Fault('capture.invalid', `not a byte came from ${name}`, { hint: silence })
  }
  if (heard.frames !== undefined && heard.frames > 0 && heard.understood === 0) {
    say(`none of ${heard.frames} frames was understood: wrong speed, driver or option?`)
  }
  return capture
}

/** What becomes of a recording. */
export interface Delivery {
  clear: boolean
  /** Whether a person looks at stdout. */
  terminal: boolean
  json: boolean
  out?: string
}

/** Hands over a recording: in clear only at a bench, or to the eyes of the person at the terminal. */
export async function deliver(capture: Capture, { clear, terminal, json, out }: Delivery): Promise<void> {
  const chunks = capture.lines.filter(line => line.way === 'in').length
  const written = (scrubbed: boolean): void => {
    if (json) printJson({ file: out, chunks, scrubbed })
    else say(`${scrubbed ? 'scrubbed recording' : 'recording'} of ${chunks} chunks written to ${out}`)
  }
  if (clear) {
    if (out === undefined) process.stdout.write(captureText(capture))
    else {
      writeClear(out, capture)
      written(false)
    }
    return
  }
  if (out === undefined && terminal) {
    return showCapture(capture, false)
  }
  const { capture: made, ...told } = await scrubbedWith(capture, {})
  if (told.kept > 0) {
    throw new Fault('capture.invalid', `${told.kept} values could not be replaced; nothing was written`, {
      hint: 'record again, or leave --out away and look at it here',
    })
  }
  if (out === undefined) process.stdout.write(captureText(made))
  else {
    writeScrubbed(out, made)
    written(true)
  }
  tellLikeness(told)
}

/** `vitalgate capture record`. */
export async function recordCommand(given: RecordOptions, command: Command): Promise<void> {
  const context = contextOf(command)
  const { source, name } = await sourceOf(given, context)
  const clear = !(await mayHoldHealth(context))
  const { out } = given
  const terminal = process.stdout.isTTY === true
  if (
    !clear &&
    given.device === undefined &&
    given.driver === undefined &&
    (out !== undefined || !terminal)
  ) {
    throw usage(
      'this box has its keys: a recording is written in scrubbed form only, and that needs a driver',
      'give --driver ID, or leave --out away and look at it on the terminal',
    )
  }
  if (!clear) {
    const fate =
      out === undefined && terminal
        ? 'it is shown here and kept nowhere'
        : 'only its scrubbed form is written'
    say(`this box has its keys: what comes may be health data; ${fate}`)
  }
  const capture = await record(source, name, given.seconds)
  await deliver(capture, { clear, terminal, json: context.json, ...(out !== undefined && { out }) })
}
