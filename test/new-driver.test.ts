import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from '@jest/globals'

// The script is run in a copy of the project, as a driver's author runs it, and what it made is judged there.

const root = fileURLToPath(new URL('..', import.meta.url))
const copy = mkdtempSync(join(tmpdir(), 'vitalgate-new-driver-'))
afterAll(() => rmSync(copy, { recursive: true }))

const run = (command: string, ...words: string[]) =>
  spawnSync(join(copy, command), words, {
    cwd: copy,
    encoding: 'utf8',
    timeout: 120_000,
    env: { PATH: process.env.PATH },
  })

beforeAll(() => {
  for (const path of [
    'package.json',
    'tsconfig.json',
    'jest.config.js',
    'biome.json',
    '.gitignore',
    'src',
    'scripts',
  ]) {
    cpSync(join(root, path), join(copy, path), { recursive: true })
  }
  cpSync(join(root, 'test/replay.test.ts'), join(copy, 'test/replay.test.ts'))
  cpSync(join(root, 'test/drivers/heard.ts'), join(copy, 'test/drivers/heard.ts'))
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  for (const [id, more] of [
    ['acme-ws100', []],
    ['acme-ble', ['--ble']],
  ] as const) {
    const made = run('scripts/new-driver', id, '--name', `Acme's ${id}`, ...more)
    expect([made.status, made.stderr]).toEqual([0, ''])
    expect(made.stdout).toContain(`drivers/${id}/driver.ts\ndrivers/${id}/NOTES.md\n`)
    expect(made.stdout).toContain('FILL IN')
  }
})

test('what it made is typed and in form', () => {
  // vcs: the copy is no repository
  const form = run(
    'scripts/node',
    'node_modules/@biomejs/biome/bin/biome',
    'check',
    '--vcs-enabled=false',
    'drivers',
    'test/drivers',
  )
  expect([form.status, form.status === 0 ? '' : form.stdout + form.stderr]).toEqual([0, ''])
  const own = { extends: './tsconfig.json', include: ['drivers', 'test/drivers'] }
  writeFileSync(join(copy, 'own.json'), JSON.stringify(own))
  const types = run('scripts/node', 'node_modules/typescript/bin/tsc', '-p', 'own.json')
  expect([types.status, types.stdout]).toEqual([0, ''])
})

test('it is vetted, and its capture and its own test pass; only the captures to be made are missing', () => {
  const words = [
    '--experimental-vm-modules',
    'node_modules/jest/bin/jest.js',
    '--json',
    '--outputFile=told.json',
  ]
  run('scripts/node', ...words)
  const { testResults } = JSON.parse(readFileSync(join(copy, 'told.json'), 'utf8')) as {
    testResults: { message: string; assertionResults: { fullName: string; status: string }[] }[]
  }
  const all = testResults.flatMap(one => one.assertionResults)
  const failed = all.filter(one => one.status !== 'passed').map(one => one.fullName)
  expect(failed.sort()).toEqual([
    'acme-ble has at least three captures',
    'acme-ws100 has at least three captures',
  ])
  expect(all.map(one => one.fullName)).toEqual(
    expect.arrayContaining(['acme-ble weighs', 'acme-ws100 settles', 'a weight is said with its digits']),
  )
})

test.each([
  ['an id that is there', ['acme-ws100', '--name', 'x'], 'drivers/acme-ws100 is there already'],
  ['a malformed id', ['Acme_1', '--name', 'x'], 'not in its form: Acme_1'],
  ['a way out of the folder', ['../acme', '--name', 'x'], 'not in its form'],
  ['no id', ['--name', 'x'], 'name one driver'],
  ['no name', ['acme-2'], 'the name of the device is missing'],
  ['an unknown option', ['acme-2', '--nome', 'x'], "unknown option '--nome'"],
])('%s is refused, and nothing is made', (_what, words, told) => {
  const before = readdirSync(join(copy, 'drivers'))
  const { status, stderr } = run('scripts/new-driver', ...words)
  expect(status).toBe(2)
  expect(stderr).toContain(told)
  expect(readdirSync(join(copy, 'drivers'))).toEqual(before)
})
