import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from '@jest/globals'
import { buildWithout } from './build.ts'
import { checkPiece, replaced } from './piece.ts'
import { wrapped } from './table.ts'

const folder = mkdtempSync(join(tmpdir(), 'vitalgate-piece-'))
afterAll(() => rmSync(folder, { recursive: true }))

const file = 'base/hardening.ts'
const here = { file, text: 'if (why === undefined) return\n', replacement: 'return\n' }
const stale = { ...here, text: 'if (nothing of the kind) return' }

test('a piece is replaced where it stands once, as it is written', () => {
  const piece = { file, text: 'a', replacement: "$& and $'" }
  expect(replaced('b a c', piece)).toBe("b $& and $' c")
  expect(() => replaced('b c', piece)).toThrow(
    'the defence stands 0 times in src/base/hardening.ts, not once: a',
  )
  expect(() => replaced('a a', piece)).toThrow('stands 2 times')
  expect(checkPiece(here)).not.toContain(here.text)
})

test('a stale piece fails: in the check, and in the program that would be built without it', async () => {
  expect(() => checkPiece(stale)).toThrow('stands 0 times in src/base/hardening.ts')
  const words = ['vitalgate', '--version'] as const
  const fresh = await buildWithout(folder, [here]).type(...words)
  expect(fresh).toMatchObject({ code: 0, out: '0.1.0\n' })
  const ended = await buildWithout(folder, [stale]).type(...words)
  expect(ended.code).not.toBe(0)
  expect(ended.err).toContain('the defence stands 0 times in src/base/hardening.ts')
})

test('a cell of the table is cut at blanks, and a word that is too long where it must be', () => {
  expect(wrapped('as expected', 14)).toEqual(['as expected'])
  expect(wrapped('SERVER_KEY_UNPINNED in status', 20)).toEqual(['SERVER_KEY_UNPINNED', 'in status'])
  expect(wrapped('a DEVICE_UNREGISTERED', 10)).toEqual(['a', 'DEVICE_UNR', 'EGISTERED'])
})
