import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Running } from '../../scripts/scenario/program.ts'

/** How a program ended: with an exit code or by a signal. */
export interface End {
  code: number | null
  signal: NodeJS.Signals | null
}

/** A child of the test that can be ended and started again, its output appended to one log. */
export interface Program extends Running {
  child: ChildProcess
  log: string
  /** Starts it again after it ended; nothing happens while it runs. */
  start(): void
  /** Sends the signal and resolves with how it ended. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<End>
  /** How it ended without having been asked to, which no program of a test may. */
  crashes(): string[]
}

const entry = {
  vitalgate: fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url)),
  'vitalgate-receiver': fileURLToPath(new URL('../../src/receiver/main.ts', import.meta.url)),
}

const isOurs = (name: string): name is keyof typeof entry => Object.hasOwn(entry, name)

/** Starts one of our programs on the Node that runs the tests, or one of the system's. */
export function startProgram(name: string, args: readonly string[], log: string): Program {
  const crashes: string[] = []
  let asked = false
  let ended: Promise<End>

  const start = (): ChildProcess => {
    asked = false
    const out = openSync(log, 'a')
    const [program, words] = isOurs(name) ? [process.execPath, [entry[name], ...args]] : [name, [...args]]
    const child = spawn(program, words, { stdio: ['ignore', out, out] })
    closeSync(out)
    ended = new Promise(resolve => {
      child.on('error', error => {
        crashes.push(`${name} cannot be started: ${error.message}`)
        resolve({ code: null, signal: null })
      })
      child.on('exit', (code, signal) => {
        if (!asked) crashes.push(`${name} ended by itself with ${code ?? signal}; its log is ${log}`)
        resolve({ code, signal })
      })
    })
    return child
  }

  const end = (signal: 'SIGTERM' | 'SIGKILL'): Promise<End> => {
    asked = true
    program.child.kill(signal)
    return ended
  }

  const program: Program = {
    child: start(),
    log,
    start() {
      const { exitCode, signalCode } = program.child
      if (exitCode !== null || signalCode !== null) program.child = start()
    },
    end,
    stop: async () => void (await end('SIGTERM')),
    crashes: () => crashes,
  }
  return program
}
