import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { isAbsolute } from 'node:path'
import { codeOf } from '../base/fault.ts'
import { fileFault } from '../base/files.ts'
import { usage } from '../base/output.ts'

/** A program with its fixed arguments. */
export type Command = readonly [file: string, ...words: string[]]

const commandLimit = 4096
/** How long a command may take. */
export const commandMs = 30_000
/** From the polite signal to the other one; and from that to not waiting any longer. */
const graceMs = 2000

/** All that a command finds in its environment. */
const environment = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' }

/**
 * The words of `--on-flag`: cut at blanks; what stands in double quotes is one word. There is no shell, so
 * nothing else has a meaning: no variables, no escapes, no pipes. The first is the program, by its whole path.
 */
export function splitCommand(text: string): Command {
  const words = [...text.matchAll(/"([^"]*)"(?=\s|$)|([^\s"]+)(?=\s|$)/g)]
  const rest = words.reduceRight((left, { 0: word, index }) => cut(left, index, word.length), text)
  const [file, ...others] = words.map(([, quoted, bare]) => quoted ?? bare ?? '')
  if (rest.trim() !== '' || text.length > commandLimit || /[\0\n\r]/.test(text)) {
    throw usage('--on-flag is not one line of words', 'put a word with blanks in double quotes')
  }
  if (file === undefined || !isAbsolute(file)) {
    throw usage(
      '--on-flag names no program by its whole path',
      '--on-flag "/usr/local/bin/tell-operators pager"',
    )
  }
  return [file, ...others]
}

const cut = (text: string, at: number, length: number): string => text.slice(0, at) + text.slice(at + length)

/** A fault where the program is not there or may not be run. */
export function checkCommand([file]: Command): void {
  try {
    accessSync(file, constants.X_OK)
  } catch (error) {
    throw fileFault(file, error)
  }
}

/**
 * Runs a command with `line` on its stdin, in a process group of its own that ends with it or after `timeoutMs`.
 * Only exit code 0 means that it was told. Gives why it was not, or undefined. Never rejects, never hangs.
 */
export function tellCommand(
  [file, ...words]: Command,
  line: string,
  signal: AbortSignal,
  timeoutMs = commandMs,
): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  let child: ChildProcess
  try {
    child = spawn(file, words, {
      cwd: '/',
      detached: true,
      env: environment,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
  } catch (error) {
    return Promise.resolve(cannotStart(error))
  }
  let cutShort: string | undefined
  const timers: NodeJS.Timeout[] = []
  const end = (why: string): void => {
    if (cutShort !== undefined) return
    cutShort = why
    signalGroup(child, 'SIGTERM')
    timers.push(setTimeout(() => signalGroup(child, 'SIGKILL'), graceMs))
    // a process that the kernel does not let go of must not hold up the others
    timers.push(setTimeout(() => settle(why), 2 * graceMs))
  }
  const onAbort = (): void => end('receiver was stopped')
  const settle = (why: string | undefined): void => {
    for (const timer of timers) clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
    // what it left running in the background ends with it
    signalGroup(child, 'SIGKILL')
    resolve(why)
  }
  timers.push(setTimeout(() => end(`command took longer than ${timeoutMs / 1000} s`), timeoutMs))
  signal.addEventListener('abort', onAbort)
  child.on('error', error => settle(cannotStart(error)))
  child.on('exit', (code, by) => settle(cutShort ?? reasonOf(code, by)))
  // it need not read: what counts is how it exits
  child.stdin?.on('error', () => undefined)
  child.stdin?.end(line)
  if (signal.aborted) onAbort()
  return promise
}

const cannotStart = (error: unknown): string =>
  `command cannot be started (${codeOf(error) ?? 'unknown error'})`

function reasonOf(code: number | null, by: NodeJS.Signals | null): string | undefined {
  if (code === 0) return undefined
  return code === null ? `command was ended by ${by ?? 'a signal'}` : `command ended with exit code ${code}`
}

function signalGroup({ pid }: ChildProcess, name: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, name)
  } catch {
    // nobody of the group is left
  }
}
