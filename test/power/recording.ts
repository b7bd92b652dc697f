import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { base32 } from '../../src/base/bytes.ts'
import type { CustodySettings } from '../../src/daemon/custody.ts'
import { boxKey, signingKey } from '../../src/wire/keys.ts'
import { type Call, callsIn, recorded } from './trace.ts'

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** A folder where files are cheap to make: in memory, if there is such a place. */
export const makeFolder = (): string => {
  try {
    return mkdtempSync('/dev/shm/vitalgate-power-')
  } catch {
    return mkdtempSync(join(tmpdir(), 'vitalgate-power-'))
  }
}

/** A gateway's folder, its keys, and where its workload tells what it was promised. */
export interface Ground {
  folder: string
  /** The folder that the workload writes into. */
  state: string
  tellFile: string
  settings: CustodySettings
  receiptKey: Uint8Array<ArrayBuffer>
  /** The words that run a plan of the workload, with a mutant of the product if one is named. */
  words(plan: string, seed: number, mutant?: string): string[]
  /** An empty state for the next life. */
  clear(): void
  remove(): void
}

const filled = (byte: number, length = 32): Uint8Array<ArrayBuffer> => new Uint8Array(length).fill(byte)

/** A folder with the keys of a gateway and its server, the same each time. */
export function makeGround(): Ground {
  const folder = makeFolder()
  const state = join(folder, 'state')
  mkdirSync(state, { mode: 0o700 })
  const settings: CustodySettings = {
    ...{ path: join(state, 'outbox.db'), quotaBytes: 64 << 20, intakeBytes: 48 << 20, graceMs: 0 },
    ...{ gateway: base32(filled(1, 16)), seed: filled(2), server: base32(filled(3, 16)) },
    ...{ serverBox: boxKey(filled(4)).publicKey, software: '0.1.0' },
  }
  const settingsFile = join(folder, 'settings.json')
  const text = {
    ...{ path: settings.path, gateway: settings.gateway, server: settings.server },
    seed: Buffer.from(settings.seed).toString('hex'),
    serverBox: Buffer.from(settings.serverBox).toString('hex'),
    receiptSeed: Buffer.from(filled(5)).toString('hex'),
  }
  writeFileSync(settingsFile, JSON.stringify(text))
  const tellFile = join(folder, 'told')
  return {
    ...{ folder, state, tellFile, settings },
    receiptKey: signingKey(filled(5)).publicKey,
    words: (plan, seed, mutant) =>
      wordsOf('./workload.ts', [settingsFile, tellFile, plan, String(seed)], mutant),
    clear: () => {
      rmSync(state, { recursive: true, force: true })
      mkdirSync(state, { mode: 0o700 })
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** The environment of a workload: one mutant of the product, and compiled code kept between runs. */
export const environment = (mutant?: string): NodeJS.ProcessEnv => ({
  ...process.env,
  NODE_COMPILE_CACHE: join(tmpdir(), 'vitalgate-compiled'),
  ...(mutant === undefined ? {} : { VITALGATE_MUTANT: mutant }),
})

/** The words that run a program of these tests, with a mutant of the product if one is named. */
export const wordsOf = (program: string, words: readonly string[], mutant?: string): string[] => [
  process.execPath,
  ...(mutant === undefined ? [] : ['--import', here('./mutate.ts')]),
  ...[here(program), ...words],
]

/** Runs these programs one after the other on the same folder; all that they did to it, and what they told. */
export function record(
  { folder, state, tellFile }: Pick<Ground, 'folder' | 'state' | 'tellFile'>,
  runs: readonly (readonly string[])[],
  mutant?: string,
): Call[] {
  const calls: Call[] = []
  for (const words of runs) {
    const out = join(folder, 'trace')
    const [program, ...rest] = [...recorded(out), ...words]
    const { status, stderr } = spawnSync(program!, rest, {
      ...{ encoding: 'utf8', env: environment(mutant), timeout: 60_000, killSignal: 'SIGKILL' },
    })
    calls.push(...callsIn(readFileSync(out, 'utf8'), state, tellFile))
    if (status === 0) continue
    // a mutant may bring its own program to an end, which is judged as it stands
    if (status === 1 && mutant !== undefined) break
    const told = existsSync(tellFile) ? readFileSync(tellFile, 'utf8') : ''
    throw new Error(`${words.join(' ')} ended with ${status}: ${stderr} ${told.slice(-300)}`)
  }
  return calls
}
