import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from '@jest/globals'

const entry = (program: string): string =>
  fileURLToPath(new URL(`../../src/${program}/main.ts`, import.meta.url))

let folder = ''

/** Fills the disk to its last page. */
function fill(): void {
  for (;;) {
    try {
      writeFileSync(join(folder, 'filler'), Buffer.alloc(4096, 1), { flag: 'a' })
    } catch {
      return // no room is left: just what is wanted
    }
  }
}

/** A disk of its own of 1 MiB; undefined where this user may not mount one. */
function mount(): boolean {
  folder = mkdtempSync(join(tmpdir(), 'vitalgate-full-'))
  return spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]).status === 0
}

let mounted = false

beforeEach(() => {
  mounted = mount()
  if (!mounted) console.info('full disk: skipped: a tmpfs cannot be mounted here (needs root)')
})

afterEach(() => {
  if (mounted) execFileSync('umount', [folder])
  rmSync(folder, { recursive: true, force: true })
})

test('making a registry on a full disk says so, with a hint, and leaves no half-written file', () => {
  if (!mounted) return
  const passphrase = join(folder, 'passphrase')
  writeFileSync(passphrase, 'a passphrase for the bench\n', { mode: 0o600 })
  fill()
  const state = join(folder, 'r')
  const args = ['--state', state, 'init', '--host', 'localhost', '--passphrase-file', passphrase]
  const { status, stderr } = spawnSync(process.execPath, [entry('receiver'), ...args], { encoding: 'utf8' })
  expect(stderr).toMatch(/^vitalgate-receiver: error: no room is left on the disk for \S+\n/)
  expect(stderr).toMatch(/^vitalgate-receiver: hint: nothing was changed; see what fills it: df -h/m)
  expect(status).toBe(1)
  expect(readdirSync(state).filter(name => name.endsWith('.tmp') || name.endsWith('.sealed'))).toEqual([])
})

test('a request on a full disk fails with a hint; with room again the same command succeeds', async () => {
  if (!mounted) return
  const state = join(folder, 'g')
  const daemon = spawn(process.execPath, [entry('cli'), '--state', state, 'run'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  try {
    await new Promise<void>(resolve =>
      daemon.stderr.on('data', text => /"ready"/.test(String(text)) && resolve()),
    )
    fill()
    const ask = () =>
      spawnSync(process.execPath, [entry('cli'), '--state', state, 'provision', 'request', '--json'], {
        encoding: 'utf8',
      })
    const refused = ask()
    expect(refused.status).toBe(1)
    expect(JSON.parse(refused.stderr).error).toMatchObject({
      code: 'disk.full',
      hint: expect.stringMatching(/^nothing was changed; see what fills it: df -h/),
    })
    rmSync(join(folder, 'filler'))
    const made = ask()
    expect(made.status).toBe(0)
    expect(JSON.parse(made.stdout)).toMatchObject({ already: false })
  } finally {
    const ended = new Promise(resolve => daemon.on('exit', resolve))
    daemon.kill('SIGTERM')
    await ended
  }
})
