import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { environment, type Ground } from './recording.ts'
import { faultsOf } from './sound.ts'
import { hearWord, nothingTold, type Told, wordsIn } from './told.ts'

/** System calls that are interfered with, as strace names them; `when` counts those of one thread. */
export interface Injection {
  calls: string
  /** `signal=SIGKILL`, `error=EIO`. */
  what: string
  /** `3` for the third alone, `3+` for it and all that follow. */
  when: string
}

/** How a workload ended that was interfered with. */
export interface Ended {
  code: number | null
  signal: string | null
  told: Told
  /** Calls of these names on its files. */
  made: number
  /** The first of them that was made to fail, as strace writes it; undefined if none was. */
  failed: string | undefined
  /** How often it told after that that something was taken, and how long it went on, milliseconds. */
  toldAfter: number
  msAfter: number
}

/** Runs a plan of the workload on the ground's folder, which must be as the plan wants it, and interferes. */
export function interfere(ground: Ground, plan: string, seed: number, injection: Injection): Promise<Ended> {
  const { calls, what, when } = injection
  const out = join(ground.folder, 'injected')
  rmSync(ground.tellFile, { force: true })
  const words = [
    ...['-f', '-qq', '-ttt', '-y', '-o', out, '-e', 'signal=none', '-e', `trace=${calls},write`],
    // strace 6.1 sends no signal at a call that a filter of the kernel picked out
    ...(what.startsWith('signal') ? [] : ['--seccomp-bpf']),
    // nothing but the state: files that Node reads for itself are none of ours
    ...pathsOf(ground).flatMap(path => ['-P', path]),
    ...['-e', `inject=${calls}:${what}:when=${when}`, ...ground.words(plan, seed)],
  ]
  const child = spawn('strace', words, { stdio: 'ignore', env: environment() })
  return new Promise((resolve, reject) => {
    const patience = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`the workload did not end with ${calls}:${what}:when=${when}`))
    }, 60_000)
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      clearTimeout(patience)
      const told = nothingTold()
      const text = existsSync(ground.tellFile) ? readFileSync(ground.tellFile, 'utf8') : ''
      for (const word of wordsIn(text)) hearWord(told, word)
      const lines = readFileSync(out, 'utf8').split('\n')
      const made = lines.filter(line => line.includes(ground.state) && !line.includes(' write(')).length
      const first = lines.findIndex(line => line.includes('(INJECTED'))
      const after = first < 0 ? [] : lines.slice(first + 1)
      resolve({
        ...{ code, signal, told, made },
        failed: lines[first],
        toldAfter: after.filter(line => line.includes(String.raw`\"taken\"`)).length,
        msAfter: first < 0 ? 0 : Date.now() - Number(lines[first]!.split(/ +/)[1]) * 1000,
      })
    })
  })
}

/** The files that a workload writes, their folder, and where it tells. */
const pathsOf = ({ state, tellFile, settings: { path } }: Ground): string[] => [
  ...[state, tellFile],
  ...['', '-wal', '-journal', '.ballast', '.suspect'].map(end => path + end),
]

/** How often each of these system calls is made by a whole plan. */
export async function countCalls(ground: Ground, plan: string, seed: number, calls: string): Promise<number> {
  const untouched: Injection = { calls, what: 'delay_enter=0', when: '1' }
  const { made, told, code } = await interfere(ground, plan, seed, untouched)
  if (code !== 0) throw new Error(`the workload ended with ${code}: ${told.failed.join()}`)
  return made
}

/** What is wrong on the disk of a workload that ended. */
export function foundOf(ground: Ground, told: Told): string[] {
  const { settings, receiptKey } = ground
  const epochs = new Set(told.taken.map(({ epoch }) => epoch))
  return faultsOf({ settings, receiptKey, epochs }, told)
}
