import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { checkCommand, splitCommand, tellCommand } from '../../src/receiver/alerts-command.ts'
import { script } from './alerts-fixture.ts'
import { thrownBy } from './fixture.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vitalgate-alerts-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const at = (name: string) => join(folder, name)
const never = new AbortController().signal
const line = '{"alert":1}\n'

test('a command line is cut at blanks, double quotes hold words together, nothing else has a meaning', () => {
  expect(splitCommand('/bin/tell')).toEqual(['/bin/tell'])
  expect(splitCommand('  /bin/tell  pager "oak house" "" $HOME `id` ; | \'x y\' \\ ')).toEqual([
    '/bin/tell',
    'pager',
    'oak house',
    '',
    '$HOME',
    '`id`',
    ';',
    '|',
    "'x",
    "y'",
    '\\',
  ])
  for (const wrong of [
    '',
    ' ',
    'tell',
    './tell',
    '/bin/tell "open',
    '/bin/te"ll"',
    '/bin/a\n/bin/b',
    `/${'x'.repeat(5000)}`,
  ]) {
    expect([wrong.slice(0, 20), thrownBy(() => splitCommand(wrong))]).toEqual([wrong.slice(0, 20), 'usage'])
  }
})

test('a program that is not there, or may not be run, is told beforehand', () => {
  expect(thrownBy(() => checkCommand([at('nowhere')]))).toBe('file.missing')
  expect(thrownBy(() => checkCommand(['/etc/passwd']))).toBe('permission')
  expect(thrownBy(() => checkCommand(['/bin/true']))).toBeUndefined()
})

test('the line comes in at stdin, the fixed words as arguments, and hardly anything as environment', async () => {
  const file = script(
    folder,
    'tell',
    `cat >> ${at('told')}`,
    `printf '%s|' "$@" > ${at('words')}`,
    `env > ${at('env')}`,
  )
  expect(await tellCommand([file, 'pager', '$HOME *'], line, never)).toBeUndefined()
  expect(readFileSync(at('told'), 'utf8')).toBe(line)
  expect(readFileSync(at('words'), 'utf8')).toBe('pager|$HOME *|')
  const names = readFileSync(at('env'), 'utf8')
    .split('\n')
    .map(one => one.split('=')[0])
  // PWD, SHLVL and _ are the shell's own
  expect(names.filter(one => !['', 'PWD', 'OLDPWD', 'SHLVL', '_'].includes(one!)).sort()).toEqual([
    'LANG',
    'PATH',
  ])
})

test('only exit code 0 means that it was told', async () => {
  const why = (...lines: string[]) => tellCommand([script(folder, 'tell', ...lines)], line, never)
  expect(await why('exit 3')).toBe('command ended with exit code 3')
  expect(await why('kill -KILL $$')).toBe('command was ended by SIGKILL')
  expect(await tellCommand([at('nowhere')], line, never)).toBe('command cannot be started (ENOENT)')
  expect(await tellCommand(['/etc/passwd'], line, never)).toBe('command cannot be started (EACCES)')
  expect(await tellCommand(['/bin/\0'], line, never)).toMatch(/^command cannot be started/)
})

test('a command that does not read its stdin is no failure, however long the line', async () => {
  expect(await tellCommand(['/bin/true'], 'x'.repeat(1_000_000), never)).toBeUndefined()
})

/** A script that holds a pipe open, itself and in the background; `gone` resolves when none of it lives. */
function holding(...lines: string[]) {
  execFileSync('mkfifo', [at('pipe')])
  const file = script(folder, 'tell', `exec 3> ${at('pipe')}`, 'sleep 600 &', 'echo up >&3', ...lines)
  const pipe = createReadStream(at('pipe'))
  return { file, up: once(pipe, 'data'), gone: once(pipe, 'end') }
}

test('a command that hangs is ended with all that it started', async () => {
  const { file, up, gone } = holding('sleep 600')
  const told = tellCommand([file], line, never, 500)
  await up
  expect(await told).toBe('command took longer than 0.5 s')
  await gone
})

test('one that does not heed the polite signal is ended all the same', async () => {
  const { file, up, gone } = holding("trap '' TERM", 'while :; do sleep 600; done')
  const told = tellCommand([file], line, never, 500)
  await up
  expect(await told).toBe('command took longer than 0.5 s')
  await gone
})

test('what it leaves in the background ends with it', async () => {
  const { file, up, gone } = holding('exit 0')
  const told = tellCommand([file], line, never)
  await up
  expect(await told).toBeUndefined()
  await gone
})

test('when the receiver stops, so does the command', async () => {
  const stop = new AbortController()
  const { file, up, gone } = holding('sleep 600')
  const told = tellCommand([file], line, stop.signal)
  await up
  stop.abort()
  expect(await told).toBe('receiver was stopped')
  await gone
})
