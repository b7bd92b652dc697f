import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../scripts/scenario/forwarder.ts'
import { until } from '../../scripts/scenario/program.ts'
import type { ReadingLine } from '../../src/receiver/readings-list.ts'
import type { Program } from '../way/program.ts'
import { linesOf } from './build.ts'
import { weightOf } from './outcome.ts'
import type { Scene } from './scene.ts'

/** A registry and server of the attacker's own: a whole receiver, as anybody can have one. */
export interface Rival {
  /** Its bundle for a gateway that he enrolled there from its public request. */
  bundleFor(request: string, words: string): Promise<string>
  /** Whether a weight is there to be read. */
  reads(weight: number): Promise<boolean>
  close(): Promise<void>
}

/** Makes the rival's keys, and starts it. */
export async function openRival({ site, plain }: Scene): Promise<Rival> {
  const state = join(site.folder, 'rival')
  const passphrase = join(site.folder, 'rival.passphrase')
  const port = String(await freePort())
  writeFileSync(passphrase, `${randomBytes(16).toString('hex')}\n`, { mode: 0o600 })
  const own = (...words: string[]) => plain.type('vitalgate-receiver', '--state', state, '--json', ...words)
  linesOf(await own('init', '--host', 'localhost', '--port', port, '--passphrase-file', passphrase))
  const program: Program = plain.start(
    'vitalgate-receiver',
    ['--state', state, 'run'],
    join(site.folder, 'rival.log'),
  )
  await until('the rival ready', 60_000, () =>
    readFileSync(join(site.folder, 'rival.log'), 'utf8').includes('ready'),
  )
  return {
    async bundleFor(request, words) {
      const enrolled = await own(
        ...['registry', 'enrol', request, '--site', 'mine', '--words', words],
        ...['--out', join(site.folder, 'rival-bundles'), '--passphrase-file', passphrase],
      )
      return readFileSync(linesOf<{ bundle: string }>(enrolled)[0]!.bundle, 'utf8')
    },
    reads: async weight =>
      linesOf<ReadingLine>(await own('readings', 'list', '--verdict', 'all')).some(
        line => weightOf(line) === weight,
      ),
    close: async () => void (await program.end('SIGKILL')),
  }
}
