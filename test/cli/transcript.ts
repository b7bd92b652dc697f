import { spawn } from 'node:child_process'

/** What a command line did. */
export interface Transcript {
  code: number | null
  out: string
  err: string
}

/** A command line that runs: what it does in the end, and Ctrl-C until then. */
export type Running = Promise<Transcript> & { interrupt(): void }

const root = new URL('../..', import.meta.url).pathname

/** Runs the program as a technician does, without a terminal. */
export function run(words: readonly string[], node: readonly string[] = []): Running {
  const child = spawn(`${root}scripts/node`, [...node, `${root}src/cli/main.ts`, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH },
  })
  let out = ''
  let err = ''
  child.stdout.on('data', chunk => {
    out += String(chunk)
  })
  child.stderr.on('data', chunk => {
    err += String(chunk)
  })
  const ended = new Promise<Transcript>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', code => resolve({ code, out, err }))
  })
  return Object.assign(ended, { interrupt: () => void child.kill('SIGINT') })
}
