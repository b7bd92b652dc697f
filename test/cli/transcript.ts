import { spawn } from 'node:child_process'

/** What a command line did. */
export interface Transcript {
  code: number | null
  out: string
  err: string
}

const root = new URL('../..', import.meta.url).pathname

/** Runs the program as a technician does, without a terminal. */
export const run = (words: readonly string[], node: readonly string[] = []): Promise<Transcript> =>
  new Promise((resolve, reject) => {
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
    child.once('error', reject)
    child.once('close', code => resolve({ code, out, err }))
  })
