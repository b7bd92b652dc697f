import type { ChannelName } from './alerts.ts'
import { checkCommand, splitCommand, tellCommand } from './alerts-command.ts'
import { readUrl, tellUrl } from './alerts-webhook.ts'

/** A way to an operator. */
export interface Channel {
  name: ChannelName
  /** Tells one line; gives why it was not told, or undefined. It has an end, and the signal brings it nearer. */
  tell(line: string, signal: AbortSignal): Promise<string | undefined>
  /** Throws a fault where what it tells through is not there now. It may come later. */
  check(): void
}

/** The command of `--on-flag`. A fault `usage` where it is none. */
export function commandChannel(text: string): Channel {
  const command = splitCommand(text)
  return {
    name: 'command',
    tell: (line, signal) => tellCommand(command, line, signal),
    check: () => checkCommand(command),
  }
}

/** The address of `--on-flag-url`. A fault `usage` where it is none. */
export function urlChannel(text: string): Channel {
  const url = readUrl(text)
  return { name: 'url', tell: (line, signal) => tellUrl(url, line, signal), check: () => undefined }
}
