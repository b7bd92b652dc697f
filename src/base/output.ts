import { Fault, type FaultCode, isFault } from './fault.ts'
import { plainJson, plainText, plainWord } from './plain.ts'

/** Exit codes, a contract of docs/CLI.md (DESIGN 11). */
export const exit = {
  done: 0,
  failed: 1,
  usage: 2,
  partly: 3,
  absent: 10,
  unprovisioned: 11,
  refused: 12,
  forbidden: 13,
  config: 78,
  interrupted: 130,
} as const

const byCode: Partial<Record<FaultCode, number>> = {
  usage: exit.usage,
  interrupted: exit.interrupted,
  'config.invalid': exit.config,
  'node.too-old': exit.config,
  permission: exit.forbidden,
  'port.refused': exit.forbidden,
  'control.absent': exit.absent,
  'identity.unprovisioned': exit.unprovisioned,
  'server.refused': exit.refused,
}

/** The exit code that a fault ends a command with. */
export const exitOf = (error: unknown): number =>
  isFault(error) ? (byCode[error.code] ?? exit.failed) : exit.failed

/** Text on stdout, as lines. What came from outside cannot speak to the terminal: see `plainText`. */
export const print = (text: string): void => {
  process.stdout.write(`${plainText(text)}\n`)
}

/** Text for people on stderr, as lines, made plain like that of `print`. */
export const say = (text: string): void => {
  process.stderr.write(`${plainText(text)}\n`)
}

/** One JSON value per line on stdout. */
export const printJson = (value: unknown): void => print(plainJson(value))

/**
 * Tells why a command failed: `program: error: …` and, where one is known, `program: hint: …`; with
 * `--json` one line of JSON instead. Both on stderr. An error that is no Fault is a bug and shows its trace.
 */
export function tellFault(program: string, error: unknown, json: boolean): void {
  const fault = isFault(error) ? error : undefined
  if (json) {
    const message = error instanceof Error ? error.message : String(error)
    say(plainJson({ error: { code: fault?.code ?? 'bug', message, hint: fault?.hint } }))
    return
  }
  if (fault === undefined) {
    const trace = error instanceof Error ? (error.stack ?? error.message) : String(error)
    say(`${program}: error: this is a bug in the program, please report it\n${trace}`)
    return
  }
  say(`${program}: error: ${fault.message}`)
  if (fault.hint !== undefined) say(`${program}: hint: ${fault.hint}`)
}

/** Rows as columns, each as wide as its widest cell, which is a word of its line; the last is not padded. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows].map(row => row.map(plainWord))
  const widths = head.map((_, column) => Math.max(...all.map(row => [...(row[column] ?? '')].length)))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        column === head.length - 1 ? cell : cell + ' '.repeat(widths[column]! - [...cell].length),
      )
      .join('  ')
      .trimEnd()
  return all.map(line).join('\n')
}

/** A fault for a command line that was typed wrong. */
export const usage = (message: string, hint?: string): Fault =>
  new Fault('usage', message, hint === undefined ? {} : { hint })
