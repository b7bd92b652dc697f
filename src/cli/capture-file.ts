import { Fault } from '../base/fault.ts'
import { writeFileAtomic, writeSecretFile } from '../base/files.ts'
import { exit, printJson, say, usage } from '../base/output.ts'
import type { Driver } from '../driver/driver.ts'
import { loadDrivers } from '../driver/load.ts'
import type { Choice } from '../driver/options.ts'
import { type Setup, setUp } from '../driver/setup.ts'
import { type Capture, headerText, lineText, readCapture } from '../transport/capture.ts'
import { type Chosen, decodeCapture, setupOf } from './capture-decode.ts'
import { type ScrubbedCapture, scrubCapture } from './capture-scrub.ts'

/** A capture as the text of its file. */
export const captureText = ({ header, lines }: Capture): string =>
  headerText(header) + lines.map(lineText).join('')

/**
 * The options without numbers that a technician set, such as the consent code of a scale: they are as private as
 * an id. Where understanding depends on one, it stays.
 */
function plainOptions(driver: Driver, setup: Setup, capture: Capture): Record<string, Choice> {
  const given = Object.entries(setup.options).filter(([name]) => capture.header.options?.[name] !== undefined)
  const plain = Object.fromEntries(given.filter(([name]) => !('range' in (driver.options?.[name] ?? {}))))
  const heard = (one: Setup): string =>
    JSON.stringify(decodeCapture(capture, one).outcomes.map(outcome => outcome.heard))
  return heard(setUp(driver, plain)) === heard(setup) ? plain : Object.fromEntries(given)
}

/** The most bytes from a device that are scrubbed: about a minute of work. */
const scrubLimit = 1024 * 1024

/** Works without a turn for anybody else; Ctrl-C then ends the program at once, as it does without any listener. */
function atOnce<T>(work: () => T): T {
  const others = process.listeners('SIGINT')
  process.removeAllListeners('SIGINT')
  try {
    return work()
  } finally {
    for (const other of others) process.on('SIGINT', other)
  }
}

/** A capture scrubbed with the driver that it names or that was chosen. */
export async function scrubbedWith(
  capture: Capture,
  chosen: Chosen & { note?: string },
): Promise<ScrubbedCapture> {
  const length = capture.lines.reduce((sum, line) => sum + (line.way === 'in' ? line.bytes.length : 0), 0)
  if (length > scrubLimit) {
    const hint = 'a shorter recording shows the same: capture record --seconds 60'
    throw new Fault('capture.invalid', `${length} bytes are too many to scrub, at most ${scrubLimit}`, {
      hint,
    })
  }
  const drivers = await loadDrivers()
  const chosenSetup = setupOf(capture, drivers, chosen)
  const id = chosen.driver ?? capture.header.driver!
  const { driver } = drivers.of(id)
  // What was chosen on the command line is what the new capture is for.
  const changed = chosen.driver !== undefined || chosen.option !== undefined
  const header = { ...capture.header, driver: id, ...(changed && { options: { ...chosenSetup.options } }) }
  const options = plainOptions(driver, chosenSetup, { ...capture, header })
  const words = {
    ...(driver.signs !== undefined && { signs: driver.signs }),
    ...(chosen.note !== undefined && { note: chosen.note }),
  }
  return atOnce(() =>
    scrubCapture({ ...capture, header: { ...header, options } }, setUp(driver, options), words),
  )
}

/** Tells how a scrubbed capture differs from its original, if it does; then the exit code is 3. */
export function tellLikeness({ likeness, kept }: Omit<ScrubbedCapture, 'capture'>): void {
  if (kept > 0) {
    say(`${kept} of the values, ids and times could not be replaced: look at them before you pass this on`)
  }
  if (likeness === 'differs') {
    say(
      'some frames mean another sort of thing than in the original: this driver looks at more than one of them',
    )
  }
  if (likeness === 'counts-differ') {
    say('every frame means the same sort of thing, but not the same of them count as in the original')
  }
  if (likeness !== 'same') say('chance decides: the same command again may do better')
  if (likeness !== 'same' || kept > 0) process.exitCode = exit.partly
}

/** Writes a capture with values in clear, for its owner only. */
export const writeClear = (path: string, capture: Capture): void =>
  writeSecretFile(path, captureText(capture))

/** Writes a capture that anybody may see. */
export const writeScrubbed = (path: string, capture: Capture): void =>
  writeFileAtomic(path, captureText(capture))

export interface ScrubOptions extends Chosen {
  out: string
  note?: string
  json?: true
}

/** `vitalgate capture scrub`. */
export async function scrubFile(path: string, given: ScrubOptions): Promise<void> {
  const capture = await readCapture(path)
  if (!capture.lines.some(line => line.way === 'in')) {
    throw new Fault('capture.invalid', `${path} has no bytes from a device`)
  }
  if (given.note !== undefined && given.note.length > 1000)
    throw usage('the note is longer than 1000 characters')
  const { capture: made, ...told } = await scrubbedWith(capture, given)
  writeScrubbed(given.out, made)
  if (given.json === true) printJson({ file: given.out, ...told })
  else say(`scrubbed capture written to ${given.out}`)
  tellLikeness(told)
}
