import { Command, InvalidArgumentError } from 'commander'
import { hex } from '../base/bytes.ts'
import { print, printJson, table } from '../base/output.ts'
import { loadDrivers } from '../driver/load.ts'
import type { Timed } from '../driver/play.ts'
import type { Heard } from '../driver/session.ts'
import { type Kind, kindNames } from '../reading/kinds.ts'
import { type Quantity, spoken } from '../reading/quantity.ts'
import { type Capture, type CaptureLine, readCapture } from '../transport/capture.ts'
import { type Chosen, countedRow, decodeCapture, frameRow, setupOf } from './capture-decode.ts'
import { type ReplayOptions, replayInto } from './capture-replay.ts'

const gather = (word: string, before: readonly string[] = []): string[] => [...before, word]

/** Bytes as people read them: printable ASCII as it is, everything else as a dot. */
const readable = (bytes: Uint8Array): string =>
  Array.from(bytes, byte => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('')

const seconds = (ms: number): string => (ms / 1000).toFixed(3)

/** What a frame meant, for a person. */
function told(heard: Heard): string {
  if ('silent' in heard) return `silent: ${heard.silent}`
  if ('fault' in heard) return `${heard.fault}: ${heard.why}`
  if ('scanned' in heard) return `band ${heard.scanned}`
  const values = kindNames.flatMap((kind: Kind) => {
    const one: Quantity | undefined = heard.measured[kind]
    return one === undefined ? [] : [`${kind} ${spoken(one)}`]
  })
  const time = heard.deviceTime === undefined ? [] : [`device time ${heard.deviceTime}`]
  const id = heard.deviceId === undefined ? [] : [`device id ${heard.deviceId}`]
  return [...values, ...time, ...id].join(', ')
}

function tellFrames(outcomes: readonly Timed[], frames: boolean): void {
  const rows = outcomes
    .filter(one => frames || countedRow(one) !== undefined)
    .map(one => {
      const counts = one.said === undefined ? '' : 'yes'
      const row = [seconds(one.t), told(one.heard)]
      return frames ? [seconds(one.t), readable(one.frame), counts, told(one.heard)] : row
    })
  print(table(frames ? ['SECONDS', 'FRAME', 'COUNTS', 'MEANING'] : ['SECONDS', 'SAID'], rows))
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

const lineRow = ({ t, way, bytes, char }: CaptureLine): object => ({
  t,
  ...(char !== undefined && { char }),
  [way]: hex(bytes),
})

function show({ header, lines }: Capture, json: boolean): void {
  if (json) {
    printJson(header)
    for (const line of lines) printJson(lineRow(line))
    return
  }
  for (const [name, value] of Object.entries(header)) {
    print(`${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
  }
  const rows = lines.map(({ t, way, bytes, char }) => [
    seconds(t),
    way,
    char ?? '',
    String(bytes.length),
    readable(bytes),
  ])
  print(table(['SECONDS', 'WAY', 'CHAR', 'BYTES', 'TEXT'], rows))
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

const exits = '\nExit codes: 0 done, 1 the file cannot be read or is no capture, 2 wrong usage'

/** `vitalgate capture`: shows, decodes and replays captures of devices. */
export function captureCommand(): Command {
  const command = new Command('capture').description('show, decode and replay captures of devices')
  command
    .command('show')
    .description('show the header and the chunks of a capture')
    .argument('<file>', 'a capture (JSON lines)')
    .option('--json', 'print the header and each chunk as a line of JSON')
    .addHelpText('after', `\nExample: vitalgate capture show scale.jsonl\n${exits}`)
    .action(async (path: string, given: { json?: true }) =>
      show(await readCapture(path), given.json === true),
    )
  command
    .command('decode')
    .description('tell what a driver understands of a capture')
    .argument('<file>', 'a capture (JSON lines)')
    .option('--driver <id>', 'use this driver instead of the one named in the capture')
    .option('--option <name=value>', 'set an option of the driver (may be repeated)', gather)
    .option('--frames', 'tell each frame by itself, before weigh-once and repeats')
    .option('--json', 'print one JSON object per line')
    .addHelpText(
      'after',
      `\nExample: vitalgate capture decode --driver and-line --option parity=true scale.jsonl --json\n${exits}\nA damaged frame is told as a fault and is no failure of the command.`,
    )
    .action(decode)
  command
    .command('replay')
    .description('play what the device sent into a serial port or a pty')
    .argument('<file>', 'a capture (JSON lines)')
    .requiredOption('--to <port>', 'path of the port to write to')
    .option('--speed <factor>', '2 is twice as fast as recorded; max waits for nothing', speedOf, 1)
    .option('--baud <bits>', 'speed of the port (default: what the capture’s driver uses)', baudOf)
    .option('--loop', 'begin again when the capture has ended, until interrupted')
    .addHelpText(
      'after',
      `\nExample: vitalgate capture replay scale.jsonl --to /dev/ttyUSB1 --speed 2\n${exits},\n13 the port may not be opened, 130 interrupted`,
    )
    .action(async (path: string, given: ReplayOptions) => replayInto(path, await readCapture(path), given))
  return command
}
