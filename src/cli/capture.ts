import { Command, InvalidArgumentError } from 'commander'
import { hex } from '../base/bytes.ts'
import { print, printJson, table } from '../base/output.ts'
import { loadDrivers } from '../driver/load.ts'
import type { Timed } from '../driver/play.ts'
import { readCapture } from '../transport/capture.ts'
import { type Chosen, countedRow, decodeCapture, frameRow, setupOf } from './capture-decode.ts'
import { type ScrubOptions, scrubFile } from './capture-file.ts'
import { recordCommand } from './capture-record.ts'
import { type ReplayOptions, replay } from './capture-replay.ts'
import { showCapture } from './capture-show.ts'
import { seconds, told } from './capture-told.ts'
import { readable } from './readable.ts'

const gather = (word: string, before: readonly string[] = []): string[] => [...before, word]

function tellFrames(outcomes: readonly Timed[], frames: boolean): void {
  const ble = outcomes.some(one => one.char !== undefined)
  const head = ['SECONDS', ...(ble ? ['CHAR'] : []), ...(frames ? ['FRAME', 'COUNTS', 'MEANING'] : ['SAID'])]
  const rows = outcomes
    .filter(one => frames || countedRow(one) !== undefined)
    .map(one => {
      const counts = one.said === undefined ? '' : 'yes'
      const place = [seconds(one.t), ...(ble ? [one.char ?? ''] : [])]
      // A value over BLE is no text.
      const frame = ble ? hex(one.frame) : readable(one.frame)
      return frames ? [...place, frame, counts, told(one.heard)] : [...place, told(one.heard)]
    })
  print(table(head, rows))
}

async function decode(path: string, given: Chosen & { frames?: true; json?: true }): Promise<void> {
  const capture = await readCapture(path)
  const { outcomes } = decodeCapture(capture, setupOf(capture, await loadDrivers(), given))
  if (given.json !== true) {
    tellFrames(outcomes, given.frames === true)
    return
  }
  for (const outcome of outcomes) {
    const row = given.frames === true ? frameRow(outcome) : countedRow(outcome)
    if (row !== undefined) printJson(row)
  }
}

const speedOf = (word: string): number => {
  const speed = word === 'max' ? Number.POSITIVE_INFINITY : Number(word)
  if (!(speed > 0)) throw new InvalidArgumentError('must be a number above 0, or max')
  return speed
}

const baudOf = (word: string): number => {
  if (!/^\d{2,7}$/.test(word)) throw new InvalidArgumentError('must be a number of bits a second')
  return Number(word)
}

const secondsOf = (word: string): number => {
  const wanted = Number(word)
  if (!Number.isSafeInteger(wanted) || wanted < 1 || wanted > 600) {
    throw new InvalidArgumentError('must be a whole number from 1 to 600')
  }
  return wanted
}

const exits = '\nExit codes: 0 done, 1 the file cannot be read or is no capture, 2 wrong usage'

/** The options that choose a driver for a capture. */
const chosen = (command: Command): Command =>
  command
    .option('--driver <id>', 'use this driver instead of the one named in the capture')
    .option('--option <name=value>', 'set an option of the driver (may be repeated)', gather)

function recording(): Command {
  return new Command('record')
    .description('record what a device sends, byte by byte')
    .option('--port <port>', 'a port that the daemon does not use: /dev/ttyUSB0 or tcp://HOST:PORT')
    .option('--device <id>', 'a device of the daemon, which goes on reading it')
    .option('--baud <bits>', 'speed of the serial port (default: what the driver uses)', baudOf)
    .option('--driver <id>', 'take the settings of this driver, ask what it asks, and name it in the capture')
    .option('--option <name=value>', 'set an option of the driver (may be repeated)', gather)
    .option('--seconds <count>', 'how long, 1 to 600', secondsOf, 60)
    .option('--out <file>', 'write it here instead of to stdout')
    .option('--note <text>', 'what was done meanwhile: "bench weight 20.0 kg". Never a name')
    .addHelpText(
      'after',
      `
On a box that has its keys, what comes may be health data: it is announced, never written in clear, and only the
scrubbed form goes to a file. Without --out it is shown on the terminal.

Example: vitalgate capture record --port /dev/ttyUSB0 --driver and-line --seconds 30 --out scale.jsonl
         vitalgate capture record --device scale-1

Exit codes: 0 done (also after Ctrl-C: what came is kept), 1 failed, or not a byte came, 2 wrong usage,
3 written, but the scrubbed form is treated differently, 10 daemon not running, 13 the port may not be opened`,
    )
    .action(recordCommand)
}

function scrubbing(): Command {
  return chosen(new Command('scrub'))
    .description('make a copy without values, ids, times and free text, which can be shown')
    .argument('<file>', 'a capture (JSON lines)')
    .requiredOption('--out <file>', 'where to write the copy')
    .option('--note <text>', 'what its header is to say instead of the old text')
    .option('--json', 'tell what was done as JSON')
    .addHelpText(
      'after',
      `
Digits, letters and binary values become others, checks are made right again, and every frame keeps meaning the
same sort of thing. What cannot be kept so is told.

Example: vitalgate capture scrub scale.jsonl --out scale-scrubbed.jsonl
${exits},
3 written, but some frames mean or count something else than before, or some values could not be replaced`,
    )
    .action((path: string, given: ScrubOptions) => scrubFile(path, given))
}

/** `vitalgate capture`: records, shows, decodes, replays and scrubs captures of devices. */
export function captureCommand(): Command {
  const command = new Command('capture').description(
    'record, show, decode, replay and scrub captures of devices',
  )
  command.addCommand(recording())
  command
    .command('show')
    .description('show a capture byte by byte, and what its driver hears in it')
    .argument('<file>', 'a capture (JSON lines)')
    .option('--json', 'print the header and each chunk as a line of JSON')
    .addHelpText(
      'after',
      `\nA row ends where a frame ends; (counts) is what would be taken.\n\nExample: vitalgate capture show scale.jsonl\n${exits}`,
    )
    .action(async (path: string, given: { json?: true }) =>
      showCapture(await readCapture(path), given.json === true),
    )
  chosen(command.command('decode'))
    .description('tell what a driver understands of a capture')
    .argument('<file>', 'a capture (JSON lines)')
    .option('--frames', 'tell each frame by itself, before weigh-once and repeats')
    .option('--json', 'print one JSON object per line')
    .addHelpText(
      'after',
      `\nExample: vitalgate capture decode --driver and-line --option parity=true scale.jsonl --json\n${exits}\nA damaged frame is told as a fault and is no failure of the command.`,
    )
    .action(decode)
  chosen(command.command('replay'))
    .description('play what the device sent into a serial port or a pty, or into its driver')
    .argument('<file>', 'a capture (JSON lines)')
    .requiredOption('--to <port>', 'path of the port to write to; or driver: print what counts as it comes')
    .option('--speed <factor>', '2 is twice as fast as recorded; max waits for nothing', speedOf, 1)
    .option('--baud <bits>', 'speed of the port (default: what the capture’s driver uses)', baudOf)
    .option('--loop', 'begin again when the capture has ended, until interrupted')
    .option('--json', 'with --to driver: print one JSON object per line')
    .addHelpText(
      'after',
      `\nExample: vitalgate capture replay scale.jsonl --to /dev/ttyUSB1 --speed 2\n         vitalgate capture replay cuff.jsonl --to driver\n${exits},\n13 the port may not be opened, 130 interrupted`,
    )
    .action(async (path: string, given: ReplayOptions) => replay(path, await readCapture(path), given))
  command.addCommand(scrubbing())
  return command
}
