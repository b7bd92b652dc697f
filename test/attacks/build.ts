import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Program, startProgram } from '../way/program.ts'
import type { Piece } from './piece.ts'

const entries = {
  vitalgate: fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url)),
  'vitalgate-receiver': fileURLToPath(new URL('../../src/receiver/main.ts', import.meta.url)),
} as const
export type Ours = keyof typeof entries

/** How a command ended. */
export interface Ended {
  code: number | null
  out: string
  err: string
}

/** Programs as they are, or a test build of them with some pieces replaced. */
export interface Build {
  /** Starts one that runs on. */
  start(name: Ours, args: readonly string[], log: string): Program
  /** Runs a command to its end, whatever that is. */
  type(name: Ours, ...args: string[]): Promise<Ended>
}

let builds = 0

/** The build in which these pieces are replaced; with none, the programs as they are. */
export function buildWithout(folder: string, pieces: readonly Piece[]): Build {
  const hook = new URL('without.ts', import.meta.url)
  if (pieces.length > 0) {
    const file = join(folder, `pieces-${++builds}.json`)
    writeFileSync(file, JSON.stringify(pieces))
    hook.searchParams.set('pieces', file)
  }
  const words = (name: Ours, args: readonly string[]): string[] => [
    ...(pieces.length > 0 ? ['--import', hook.href] : []),
    entries[name],
    ...args,
  ]
  return {
    start: (name, args, log) => startProgram(process.execPath, words(name, args), log),
    type: (name, ...args) =>
      new Promise((resolve, reject) => {
        const child = spawn(process.execPath, words(name, args), { stdio: ['ignore', 'pipe', 'pipe'] })
        const said = { out: '', err: '' }
        child.stdout.on('data', (text: Buffer) => {
          said.out += text
        })
        child.stderr.on('data', (text: Buffer) => {
          said.err += text
        })
        child.on('error', reject)
        child.on('close', code => resolve({ code, ...said }))
      }),
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
