import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { Fault } from '../../src/base/fault.ts'
import { checkPrivateFolder, makePrivateFile, makePrivateFolder } from '../../src/base/files.ts'

let folder = ''
let umask = 0
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vitalgate-files-'))
  umask = process.umask(0)
})
afterEach(() => {
  process.umask(umask)
  rmSync(folder, { recursive: true, force: true })
})

const thrown = (act: () => unknown): Fault | undefined => {
  try {
    act()
  } catch (error) {
    if (error instanceof Fault) return error
    throw error
  }
  return undefined
}

const modeOf = (path: string): number => statSync(path).mode & 0o777

test('a private file is its owner’s alone whatever the umask, and one that is there keeps what it holds', () => {
  const path = join(folder, 'new.db')
  makePrivateFile(path)
  expect([modeOf(path), statSync(path).size]).toEqual([0o600, 0])
  writeFileSync(path, 'kept')
  makePrivateFile(path)
  expect(statSync(path).size).toBe(4)
})

test.each([0o644, 0o660, 0o601])('a file of mode %o is refused, and stays as it is', mode => {
  const path = join(folder, 'open.db')
  writeFileSync(path, '')
  chmodSync(path, mode)
  const fault = thrown(() => makePrivateFile(path))
  expect(fault?.code).toBe('permission')
  expect(fault?.hint).toContain(`chmod 600 ${path}`)
  expect(modeOf(path)).toBe(mode)
})

test('a link or a folder in the place of a private file is refused', () => {
  const target = join(folder, 'target')
  const link = join(folder, 'link')
  symlinkSync(target, link)
  expect(thrown(() => makePrivateFile(link))?.message).toContain('is a symbolic link')
  expect(statSync(target, { throwIfNoEntry: false })).toBeUndefined()
  expect(thrown(() => makePrivateFile(folder))).toBeDefined()
})

test('a private folder is made for its owner alone; one that others may enter or write is refused', () => {
  const path = join(folder, 'above', 'state')
  makePrivateFolder(path)
  expect([modeOf(path), modeOf(join(folder, 'above'))]).toEqual([0o700, 0o700])
  makePrivateFolder(path)
  for (const mode of [0o777, 0o750, 0o711]) {
    chmodSync(path, mode)
    const fault = thrown(() => makePrivateFolder(path))
    expect([fault?.code, fault?.hint?.includes(`chmod 700 ${path}`)]).toEqual(['permission', true])
  }
})

test('a folder of another user is refused by name of its owner', () => {
  const path = join(folder, 'state')
  mkdirSync(path, { mode: 0o700 })
  const own = process.getuid
  process.getuid = () => 4711
  try {
    expect(thrown(() => checkPrivateFolder(path))?.message).toContain('belongs to another user')
  } finally {
    if (own !== undefined) process.getuid = own
  }
  checkPrivateFolder(path)
  checkPrivateFolder(join(folder, 'none'))
})
