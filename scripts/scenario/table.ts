import type { ReadingLine } from '../../src/receiver/readings-list.ts'
import { digitsOf } from './expected.ts'

const color = process.stderr.isTTY && process.env.NO_COLOR === undefined
const paint = (code: string, text: string): string => (color ? `\u001b[${code}m${text}\u001b[0m` : text)

/** Styles for a terminal; plain in a pipe. */
export const bold = (text: string): string => paint('1', text)
export const dim = (text: string): string => paint('2', text)
export const green = (text: string): string => paint('32', text)
export const yellow = (text: string): string => paint('33', text)
export const red = (text: string): string => paint('31', text)

/** A line for people. */
export const tell = (line = ''): void => {
  process.stderr.write(`${line}\n`)
}

const widths = [8, 10, 17, 20, 32]
const columns = (cells: string[]): string =>
  cells.map((cell, at) => (at < widths.length ? cell.padEnd(widths[at]!) : cell)).join('  ')

/** The head of the live table. */
export const tableHead = (): string =>
  bold(columns(['TIME', 'GATEWAY', 'DEVICE', 'BAND', 'VALUES', 'VERDICT']))

const short: Record<string, string> = { 'body-weight': 'weight', 'pulse-rate': 'pulse' }

/** Values as a nurse would say them: `120/80 mmHg, pulse 72`. */
function spokenValues(values: ReadingLine['values']): string {
  const { systolic, diastolic, ...rest } = digitsOf(values)
  const number = (text: string): string => text.split(' ')[0]!
  const pressure =
    systolic === undefined || diastolic === undefined ? [] : [`${number(systolic)}/${number(diastolic)} mmHg`]
  const others = Object.entries(rest).map(([kind, text]) =>
    kind === 'body-weight' ? text : `${short[kind] ?? kind} ${number(text)}`,
  )
  return [...pressure, ...others].join(', ')
}

/** One reading as a line of the live table. */
export function tableLine(line: ReadingLine): string {
  const verdict = {
    accept: green('accept'),
    flag: yellow(`flag ${line.flags.join(' ')}`),
    quarantine: yellow(`quarantine ${line.flags.join(' ')}`),
  }[line.verdict]
  const notes = line.notes.length === 0 ? '' : dim(`  (${line.notes.join(', ')})`)
  const cells = [
    line.received.slice(11, 19),
    `${line.gateway.slice(0, 8)}…`,
    line.device,
    line.band ?? '–',
    spokenValues(line.values),
    verdict,
  ]
  return `${columns(cells)}${notes}`
}
