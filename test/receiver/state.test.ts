import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from '@jest/globals'
import { isFault } from '../../src/base/fault.ts'
import { initialise } from '../../src/receiver/init.ts'
import { paths, readFacts } from '../../src/receiver/state.ts'
import { planAt } from './box.ts'

const folder = mkdtempSync(join(tmpdir(), 'vitalgate-receiver-state-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The code of the fault that reading the facts of a folder ends with. */
function codeOf(state: string): string {
  try {
    readFacts(state)
    return 'none'
  } catch (error) {
    return isFault(error) ? error.code : 'bug'
  }
}

test('a database that is gone is damage, never an empty registry', async () => {
  await initialise(folder, planAt(Date.now()), async () => 'a passphrase for the bench')
  expect(readFacts(folder).hosts).toEqual(['localhost'])
  rmSync(paths(folder).database)
  expect(codeOf(folder)).toBe('store.damaged')
})

test('before init there is no registry; facts that cannot be read are damage', () => {
  const bare = mkdtempSync(join(tmpdir(), 'vitalgate-receiver-bare-'))
  expect(codeOf(bare)).toBe('registry.missing')
  writeFileSync(paths(bare).database, '')
  writeFileSync(paths(bare).facts, '{"receiver":1')
  chmodSync(paths(bare).facts, 0o600)
  expect(codeOf(bare)).toBe('store.damaged')
  rmSync(bare, { recursive: true })
})
