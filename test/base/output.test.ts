import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { z } from 'zod'
import { problems } from '../../src/base/check.ts'
import { Fault } from '../../src/base/fault.ts'
import { print, printJson, say, table, tellFault } from '../../src/base/output.ts'

// ECMA-48: ESC [ 2 K clears the line, BEL rings, 0x9b alone begins the same as ESC [; U+202E turns the direction
const evil = '\u001b[2K\u009b1A\u0007\r\u202e'
let out = ''
let err = ''
beforeEach(() => {
  out = ''
  err = ''
  jest.spyOn(process.stdout, 'write').mockImplementation(text => {
    out += String(text)
    return true
  })
  jest.spyOn(process.stderr, 'write').mockImplementation(text => {
    err += String(text)
    return true
  })
})
afterEach(() => void jest.restoreAllMocks())

test('what came from outside cannot speak to the terminal of whoever reads it', () => {
  print(`a${evil}b\tc\nd’é`)
  expect(out).toBe('a?[2K?1A???b\tc\nd’é\n')
  say(`a${evil}b`)
  expect(err).toBe('a?[2K?1A???b\n')
})

test('a failure is told the same way, with its hint, and a bug with its trace', () => {
  tellFault('x', new Fault('input.invalid', `no ${evil}`, { hint: `see ${evil}` }), false)
  expect(err).toBe('x: error: no ?[2K?1A???\nx: hint: see ?[2K?1A???\n')
  err = ''
  tellFault('x', new Error(evil), false)
  expect(err).toMatch(/^[\n\x20-\x7e]+$/)
  expect(err).toContain('?[2K?1A???')
})

test('a cell stays one cell, and its column keeps its width', () => {
  expect(
    table(
      ['A', 'B'],
      [
        ['x\ny\t', 'z'],
        ['\u001bé', 'z'],
      ],
    ),
  ).toBe('A     B\nx?y?  z\n?é    z')
})

test('JSON stays JSON of one line, with nothing in it that a terminal obeys', () => {
  const value = { [evil]: `${evil}\u{e0041}\n` }
  printJson(value)
  expect(out).toMatch(/^[\x20-\x7e]+\n$/)
  expect(JSON.parse(out)).toEqual(value)
  tellFault('x', new Fault('input.invalid', evil), true)
  expect(err).toMatch(/^[\x20-\x7e]+\n$/)
  expect(JSON.parse(err)).toEqual({ error: { code: 'input.invalid', message: evil } })
})

test('a name from outside cannot begin a line of its own', () => {
  const found = problems(z.strictObject({ a: z.string() }), { a: 1, 'b\nprovisioned: all is well': 1 })
  expect(found.map(one => one.path)).toEqual(['a', 'b?provisioned: all is well'])
})
