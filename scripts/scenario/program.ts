import { type ChildProcess, spawn } from 'node:child_process'
import { openSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The entry points, run by the same Node as this scenario. */
const entries = {
  vitalgate: fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url)),
  'vitalgate-receiver': fileURLToPath(new URL('../../src/receiver/main.ts', import.meta.url)),
} as const
export type Program = keyof typeof entries

/** A command that failed: what was typed, and what it said. */
export class CommandFailed extends Error {}

/** Runs one command of ours to its end and gives its stdout. */
export function type(program: Program, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [entries[program], ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    let err = ''
    child.stdout.on('data', (text: Buffer) => {
      out += text
    })
    child.stderr.on('data', (text: Buffer) => {
      err += text
    })
    child.on('error', reject)
    child.on('close', code => {
      if (code === 0) resolve(out)
      else reject(new CommandFailed(`${program} ${args.join(' ')}\nended with ${code}: ${err.trim()}`))
    })
  })
}

/** A program that runs until it is stopped. */
export interface Running {
  child: ChildProcess
  /** Asks it to stop and waits until it has. */
  stop(): Promise<void>
}

/**
 * Starts a program that runs on, its log in a file; calls `died` if it ends by itself. Ours are started as people start
 * them, by the scripts beside this folder; with words for Node.js in `node` without those.
 */
export function start(
  program: string,
  args: readonly string[],
  log: string,
  died: (why: string) => void,
  node: readonly string[] = [],
): Running {
  const ours = program in entries
  const out = openSync(log, 'a')
  const [file, words] =
    ours && node.length > 0
      ? [process.execPath, [...node, entries[program as Program], ...args]]
      : [ours ? fileURLToPath(new URL(`../${program}`, import.meta.url)) : program, args]
  const child = spawn(file, words, { stdio: ['ignore', out, out] })
  let stopping = false
  const ended = new Promise<void>(resolve => {
    child.on('error', error => {
      died(`${program} cannot be started: ${error.message}`)
      resolve()
    })
    child.on('exit', code => {
      if (!stopping) died(`${program} ended with ${code}; its log is ${log}`)
      resolve()
    })
  })
  return {
    child,
    async stop() {
      stopping = true
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** Waits until a condition holds, looking every 50 ms; rejects with `what` after `limitMs`. */
export async function until(
  what: string,
  limitMs: number,
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  const end = Date.now() + limitMs
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`${what} did not happen within ${limitMs / 1000} s`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}
