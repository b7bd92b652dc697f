import { type ChildProcess, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Program, startProgram } from '../way/program.ts'
import type { Piece } from './piece.ts'
import type { Ended, Typed } from './typist.ts'

const entries = {
  vitalgate: fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url)),
  'vitalgate-receiver': fileURLToPath(new URL('../../src/receiver/main.ts', import.meta.url)),
} as const
export type Ours = keyof typeof entries

/** Programs as they are, or a test build of them with some pieces replaced. */
export interface Build {
  /** Starts one that runs on. */
  start(name: Ours, args: readonly string[], log: string): Program
  /** Runs a command to its end, whatever that is. */
  type(name: Ours, ...args: string[]): Promise<Ended>
  /** The same in a process of its own, past the scripts, with something in its environment. */
  typeIn(env: Record<string, string>, name: Ours, ...args: string[]): Promise<Ended>
}

/** Types commands of the programs as they are, one at a time: see typist.ts. */
export interface Typist extends Pick<Build, 'type'> {
  close(): Promise<void>
}

const patienceMs = 120_000

/** Starts the process in which commands are typed. */
export function startTypist(): Typist {
  const file = fileURLToPath(new URL('typist.ts', import.meta.url))
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const ended = new Promise<void>(resolve => child.on('exit', () => resolve()))
  let last: Promise<unknown> = Promise.resolve()
  return {
    type(name, ...words) {
      const mine = last.then(() => ask(child, { entry: entries[name], words }))
      last = mine.catch(() => undefined) // whoever typed it is told
      return mine
    },
    async close() {
      if (child.connected) child.disconnect()
      await ended
    },
  }
}

function ask(child: ChildProcess, typed: Typed): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      clearTimeout(late)
      child.off('message', answered).off('exit', gone)
      child.kill('SIGKILL')
      reject(new Error(`${typed.words.join(' ')}: ${why}`))
    }
    const answered = (ended: unknown): void => {
      clearTimeout(late)
      child.off('exit', gone)
      resolve(ended as Ended)
    }
    const gone = (): void => fail('it ended the process in which it was typed')
    const late = setTimeout(() => fail(`no end after ${patienceMs / 1000} s`), patienceMs)
    child.once('message', answered).once('exit', gone)
    child.send(typed, error => {
      if (error !== null) fail(error.message)
    })
  })
}

/**
 * Where Node keeps what it compiled, worker threads included: the suite starts its programs some two hundred times,
 * and this takes a third off the time of each.
 */
const compiled = {
  NODE_COMPILE_CACHE: fileURLToPath(new URL('../../node_modules/.cache/attacks', import.meta.url)),
}

/** Starts Node with these words; it runs on. */
const startNode = (words: readonly string[], log: string): Program =>
  startProgram('env', [`NODE_COMPILE_CACHE=${compiled.NODE_COMPILE_CACHE}`, process.execPath, ...words], log)

const launcher = fileURLToPath(new URL('launch.ts', import.meta.url))
let builds = 0

/** The programs as they are; their commands are typed by the typist. */
export const plainBuild = (typist: Typist): Build => ({
  start: (name, args, log) => startNode([entries[name], ...args], log),
  type: typist.type,
  typeIn: (env, name, ...args) => runToEnd([entries[name], ...args], env),
})

/** Runs Node with these words, to its end. */
const runToEnd = (words: readonly string[], env: Record<string, string>): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const stdio = ['ignore', 'pipe', 'pipe'] as const
    const child = spawn(process.execPath, words, {
      stdio: [...stdio],
      env: { ...process.env, ...compiled, ...env },
    })
    const said = { out: '', err: '' }
    child.stdout.on('data', (text: Buffer) => {
      said.out += text
    })
    child.stderr.on('data', (text: Buffer) => {
      said.err += text
    })
    child.on('error', reject)
    child.on('close', code => resolve({ code, ...said }))
  })

/** The test build in which these pieces are replaced. */
export function buildWithout(folder: string, pieces: readonly Piece[]): Build {
  const file = join(folder, `pieces-${++builds}.json`)
  writeFileSync(file, JSON.stringify(pieces))
  const words = (name: Ours, args: readonly string[]): string[] => [launcher, file, entries[name], ...args]
  return {
    start: (name, args, log) => startNode(words(name, args), log),
    type: (name, ...args) => runToEnd(words(name, args), {}),
    typeIn: (env, name, ...args) => runToEnd(words(name, args), env),
  }
}

/** The code of the fault that a command with `--json` ended with; undefined if it ended well. */
export function faultOf({ code, err }: Ended): string | undefined {
  if (code === 0) return undefined
  const line = err.trim().split('\n').at(-1) ?? ''
  return (JSON.parse(line) as { error: { code: string } }).error.code
}

/** The JSON objects that a command printed, one a line. Throws what it said if it failed. */
export function linesOf<T>({ code, out, err }: Ended): T[] {
  if (code !== 0) throw new Error(`a command ended with ${code}: ${err}`)
  return out
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as T)
}
