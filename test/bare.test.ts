import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from '@jest/globals'
import { isRelease } from './size.ts'

/**
 * The newcomer's machine: a bare Debian made by debootstrap, an empty environment, and the README's first
 * command. Takes minutes and root, so it belongs to the release size.
 */
const root = fileURLToPath(new URL('..', import.meta.url))
const folder = isRelease ? mkdtempSync(join(tmpdir(), 'vitalgate-bare-')) : ''
const bare = join(folder, 'root')
const minutes = 60_000

/** Why this machine cannot run it, or undefined if it can. */
function missing(): string | undefined {
  if (!isRelease) return 'only in the release size (scripts/test --release)'
  if (process.getuid?.() !== 0) return 'needs root'
  const tool = ['debootstrap', 'systemd-nspawn'].find(name => spawnSync('which', [name]).status !== 0)
  return tool === undefined ? undefined : `${tool} is not installed`
}

function run(command: string, args: string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 64 * 2 ** 20 })
  if (status !== 0)
    throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stdout}\n${stderr}`)
  return stdout
}

const inside = (script: string): string =>
  run('systemd-nspawn', [
    ...['--quiet', '--register=no', '--keep-unit', '--as-pid2', '--pipe', '-D', bare],
    ...[
      '/usr/bin/env',
      '-i',
      'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
      'DEBIAN_FRONTEND=noninteractive',
      'sh',
      '-ec',
      script,
    ],
  ])

/** What leads a machine of this network to its packages: sources, certificates, settings. */
function carryIn(): void {
  const settings = [
    '/etc/apt/sources.list',
    '/etc/apt/sources.list.d',
    '/etc/apt/apt.conf.d',
    '/etc/resolv.conf',
    '/etc/hosts',
  ]
  for (const path of [...settings, '/etc/ssl/certs/ca-certificates.crt', '/usr/etc/npmrc', '/root/.npmrc']) {
    if (!existsSync(path)) continue
    // Debian's npm reads /etc/npmrc
    const to = join(bare, path === '/usr/etc/npmrc' ? '/etc/npmrc' : path)
    mkdirSync(dirname(to), { recursive: true })
    rmSync(to, { recursive: true, force: true })
    cpSync(path, to, { recursive: true, dereference: true })
  }
}

afterAll(() => {
  if (folder !== '') rmSync(folder, { recursive: true, force: true })
})

const why = missing()
if (why !== undefined) console.info(`bare Debian: skipped: ${why}`)

const here = why === undefined ? test : test.skip
here(
  'the demo runs to its end on a bare Debian with an empty environment',
  () => {
    run('debootstrap', ['--variant=minbase', 'bookworm', bare])
    carryIn()
    inside('apt-get update && apt-get install -y --no-install-recommends npm git ca-certificates')
    carryIn()
    run('git', ['clone', '--quiet', root, join(bare, 'opt/vitalgate')])
    const out = inside('exec env -i /opt/vitalgate/scripts/demo --once --json')
    const answer = JSON.parse(out.trim().split('\n').at(-1) ?? '') as { ok: boolean; accepted: number }
    // five readings of the round, and the one that was released
    expect(answer).toMatchObject({ ok: true, accepted: 6, misses: [] })
  },
  15 * minutes,
)
