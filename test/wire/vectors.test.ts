import { spawnSync } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from '@jest/globals'
import { readVector } from './read.ts'
import { readVectors, vectorFolder } from './vector.ts'

const vectors = readVectors()
/** What an opened vector states (WIRE 13.3). */
const stated = ['type', 'body', 'prev', 'head', 'envelope-hash', 'seen', 'words', 'kid', 'plain', 'pae-hash']

test.each(vectors.map(vector => [vector.name, vector] as const))('vector %s', (_name, vector) => {
  const { head } = vector
  const opened = head.expect === 'opened' ? stated.filter(name => head[name] !== undefined) : []
  const expected = Object.fromEntries(['expect', ...opened].map(name => [name, head[name]]))
  expect(readVector(vector)).toMatchObject(expected)
})

test('the folder holds what the script makes, byte for byte', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vitalgate-'))
  try {
    const script = fileURLToPath(new URL('make-vectors.ts', import.meta.url))
    const { status, stderr } = spawnSync(process.execPath, [script, folder], { encoding: 'utf8' })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const names = vectors.map(vector => `${vector.name}.txt`).sort()
    expect(readdirSync(folder).sort()).toEqual(names)
    for (const name of names) {
      expect(readFileSync(new URL(name, vectorFolder), 'utf8')).toBe(readFileSync(join(folder, name), 'utf8'))
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('there is a vector for every outcome, every sealed type and every public type', () => {
  const of = (kind: string, name: string) =>
    new Set(vectors.filter(vector => vector.head.kind === kind).map(vector => vector.head[name]))
  expect([...of('sealed', 'expect')].sort()).toEqual([
    'bad-signature',
    'malformed',
    'opened',
    'unknown-key',
    'unopened',
    'wrong-audience',
    'wrong-type',
  ])
  expect([...of('sealed', 'type')].filter(type => type !== undefined).sort()).toEqual([
    'command',
    'epoch-open',
    'event',
    'hello',
    'reading',
    'ready',
    'receipt',
    'result',
    'update',
    'welcome',
  ])
  expect([...of('public', 'type')].sort()).toEqual([
    'binding',
    'device-list',
    'operator',
    'order',
    'request',
    'review',
    'revocation',
    'server-entry',
  ])
})

test('the bundle holds together to the end: keys, server, certificate, CA (WIRE 10.2)', () => {
  const textIn = (name: string): string =>
    Buffer.from(vectors.find(one => one.name === name)!.bytes).toString()
  const inside = ({ body }: { body: string }) => JSON.parse(Buffer.from(body, 'base64url').toString())
  const bundle = JSON.parse(textIn('bundle'))
  const binding = inside(bundle.binding)
  const entry = inside(bundle.serverEntry)
  const request = inside(JSON.parse(textIn('public-request')))
  const certificate = new X509Certificate(bundle.certificate)
  const spki = certificate.publicKey.export({ format: 'der', type: 'spki' })
  expect(createHash('sha256').update(spki).digest('hex')).toBe(binding.keys.tls)
  expect(certificate.subject).toBe(`CN=${bundle.gateway}`)
  expect(certificate.verify(new X509Certificate(entry.ca[0]).publicKey)).toBe(true)
  expect([binding.gateway, binding.server]).toEqual([bundle.gateway, entry.server])
  expect([binding.keys.sign, binding.keys.box]).toEqual([request.keys.sign, request.keys.box])
})
