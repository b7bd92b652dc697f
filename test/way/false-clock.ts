import { execFile } from 'node:child_process'
import { existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Program, startProgram } from './program.ts'

/** A wall clock that the test sets, for whole programs: Node, SQLite and OpenSSL all see it. Steady clocks go on. */
export interface FalseClock {
  /** `@2090-01-01 12:00:00` is about that moment when the program starts, `+31d` is so much later than now. */
  set(time: string): void
  /** Starts a program of ours under it. */
  start(name: Ours, args: readonly string[], log: string): Program
  /** Runs a command of ours under it to its end: its exit code and what it printed. */
  type(name: Ours, ...args: string[]): Promise<{ code: number; out: string }>
}

const entries = {
  vitalgate: fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url)),
  'vitalgate-receiver': fileURLToPath(new URL('../../src/receiver/main.ts', import.meta.url)),
} as const
export type Ours = keyof typeof entries

/** Debian's libfaketime, where it is on this architecture. */
function library(): string {
  const found = readdirSync('/usr/lib')
    .map(folder => `/usr/lib/${folder}/faketime/libfaketimeMT.so.1`)
    .find(path => existsSync(path))
  if (found === undefined) throw new Error('libfaketime is missing: scripts/install test')
  return found
}

/** A clock whose setting lies in a file of this folder; it begins at the true time. */
export function makeFalseClock(folder: string, name: string): FalseClock {
  const file = join(folder, `${name}.clock`)
  const set = (time: string): void => {
    // read at every look: it must never be seen half written
    writeFileSync(`${file}.new`, `${time}\n`)
    renameSync(`${file}.new`, file)
  }
  set('+0')
  const words = [
    `LD_PRELOAD=${library()}`,
    `FAKETIME_TIMESTAMP_FILE=${file}`,
    'FAKETIME_NO_CACHE=1',
    'FAKETIME_DONT_FAKE_MONOTONIC=1',
    'TZ=UTC',
    process.execPath,
  ]
  return {
    set,
    start: (program, args, log) => startProgram('env', [...words, entries[program], ...args], log),
    type: (program, ...args) =>
      new Promise((resolve, reject) => {
        execFile('env', [...words, entries[program], ...args], (error, out, err) => {
          const code = error === null ? 0 : Number(error.code)
          if (out === '') reject(new Error(`${args.join(' ')}: ${err}`))
          else resolve({ code, out })
        })
      }),
  }
}
