import { readFileSync } from 'node:fs'
import { expect, test } from '@jest/globals'
import { flags, noteNames } from '../src/wire/flags.ts'

const page = (name: string): string => readFileSync(new URL(`../docs/${name}`, import.meta.url), 'utf8')
const threats = page('THREATS.md')

/** Capitals with an underscore that are no flag: settings of an environment. */
const settings = ['NODE_OPTIONS', 'NODE_TLS_REJECT_UNAUTHORIZED', 'OPENSSL_CONF', 'LD_PRELOAD']

test('docs/THREATS.md names only flags that are in the list, and each of them that accuses somebody', () => {
  const named = new Set(threats.match(/\b[A-Z]+(?:_[A-Z]+)+\b/g))
  for (const setting of settings) named.delete(setting)
  expect([...named].filter(name => !Object.hasOwn(flags, name))).toEqual([])
  const words = new Set(threats.match(/\b[A-Z_]{3,}\b/g))
  const unnamed = Object.keys(flags).filter(name => !words.has(name))
  expect(unnamed).toEqual([])
})

test('it names only faults and notes that exist', () => {
  const faults = [...page('CLI.md').matchAll(/^\| `([a-z]+\.[a-z-]+)` \|/gm)].map(([, code]) => code)
  const named = [...threats.matchAll(/`([a-z]+\.[a-z-]+)`/g)].map(([, code]) => code!)
  const members = [
    'keys.sealed',
    'keyfile.secret',
    'devices.toml',
    'route.json',
    'link.bonded',
    'link.encrypted',
  ]
  expect(faults.length).toBeGreaterThan(40)
  expect(named.filter(code => !faults.includes(code) && !members.includes(code))).toEqual([])
  for (const note of [
    'unguarded-frame',
    'implausible',
    'stored',
    'claimed-late',
    'unattributed',
    'time-unsynced',
  ]) {
    expect(threats).toContain(`\`${note}\``)
    expect(noteNames).toContain(note)
  }
})
