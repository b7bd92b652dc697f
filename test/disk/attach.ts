import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** strace at work on a program that runs already. */
export interface Attached {
  /** The calls that it made to fail, with the time of each, milliseconds since 1970. */
  injected(): { at: number; line: string }[]
  /** Lets go of the program. */
  detach(): Promise<void>
}

/** Interferes with these system calls of every thread of a program from now on, `when` as strace counts them. */
export async function attach(pid: number, calls: string, what: string, out: string): Promise<Attached> {
  const words = [
    '-f',
    '-ttt',
    '-y',
    '-o',
    out,
    '-p',
    String(pid),
    '-e',
    'signal=none',
    '-e',
    `trace=${calls}`,
  ]
  const child = spawn('strace', [...words, '-e', `inject=${calls}:${what}`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = new Promise<void>(resolve => child.on('exit', () => resolve()))
  let said = ''
  await new Promise<void>((resolve, reject) => {
    child.on('error', reject)
    child.stderr.on('data', (text: Buffer) => {
      said += text.toString()
      if (said.includes(' attached')) resolve()
    })
    child.on('exit', () => reject(new Error(`strace does not attach: ${said}`)))
  })
  return {
    injected: () =>
      readFileSync(out, 'utf8')
        .split('\n')
        .filter(line => /\((?:INJECTED|DELAYED)\)/.test(line))
        .map(line => ({ at: Number(line.split(/ +/)[1]) * 1000, line })),
    detach: () => {
      child.kill('SIGINT')
      return ended
    },
  }
}
