import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { openRegistry } from '../../src/receiver/registry.ts'
import { paths } from '../../src/receiver/state.ts'
import { openStore } from '../../src/receiver/store.ts'
import { makeBox } from './box.ts'
import { copyOf, passphrase } from './revoke-fixture.ts'
import { rotateBench } from './rotate-bench.ts'

const program = join(import.meta.dirname, '../../scripts/vitalgate-receiver')
const folder = mkdtempSync(join(tmpdir(), 'vitalgate-rotate-'))
const at = (name: string) => join(folder, name)
const states: string[] = []
let it: Awaited<ReturnType<typeof rotateBench>>
let next: Awaited<ReturnType<typeof it.propose>>
let secret: string[]

/** Types a command line, with no terminal behind it. */
function type(...line: string[]) {
  const { stdout, stderr, status } = spawnSync(program, line, { encoding: 'utf8', cwd: folder, input: '' })
  return { out: stdout, error: stderr, code: status }
}
const typed = (state: string, ...line: string[]) => type('--state', state, 'registry', ...line)
const json = (out: string) => JSON.parse(`[${out.trim().replaceAll('\n', ',')}]`)

/** A copy of the state folder in which a gateway has proposed new keys. */
function proposed(): string {
  const state = copyOf(it.state)
  states.push(state)
  return state
}

beforeAll(async () => {
  it = await rotateBench()
  it.hello()
  next = await it.propose()
  it.store.db.pragma('wal_checkpoint(TRUNCATE)')
  writeFileSync(at('passphrase'), `${passphrase}\n`)
  chmodSync(at('passphrase'), 0o600)
  secret = ['--passphrase-file', at('passphrase')]
})
afterAll(() => {
  it.end()
  for (const one of [folder, ...states]) rmSync(one, { recursive: true, force: true })
})

test('registry rotate shows keys and words, asks, binds, and keeps the binding beside the database', () => {
  const state = proposed()
  const { gateway } = it.box
  const [from, to] = [it.first.key.kid, next.sign.kid]
  expect(json(typed(state, 'waiting', '--json').out)).toMatchObject([
    { gateway, version: 2, what: 'proposal' },
  ])
  expect(typed(state, 'show', gateway).out).toContain(`${to}, proposed`)
  expect(json(typed(state, 'list', '--json').out)).toMatchObject([{ gateway, newKeys: true }])

  const refused = typed(state, 'rotate', gateway, ...secret)
  expect(refused.code).toBe(2)
  expect(refused.error).toContain('--yes')
  const before = join(state, 'before.db')
  copyFileSync(paths(state).database, before)
  const done = typed(state, 'rotate', gateway.slice(0, 8), '--yes', '--by', 'anna', '--json', ...secret)
  expect([done.code, json(done.out)]).toMatchObject([
    0,
    [{ gateway, site: 'oak-house', version: 2, from, to, words: next.words.split(' '), outcome: 'rotated' }],
  ])
  for (const shown of [from, to, next.words]) expect(done.error).toContain(shown)
  expect(json(typed(state, 'rotate', gateway, '--json').out)).toMatchObject([
    { outcome: 'already', inUse: false, version: 2 },
  ])
  expect(typed(state, 'waiting').out).toBe('nothing waits\n')
  expect(typed(state, 'verify').code).toBe(0)

  // the database is set back to the backup from before: the kept binding mends it
  const kept = join(state, 'rotated', `${gateway}-2.json`)
  for (const end of ['', '-wal', '-shm']) rmSync(`${paths(state).database}${end}`, { force: true })
  renameSync(before, paths(state).database)
  rmSync(join(state, 'registry.head'), { force: true })
  expect(typed(state, 'import', kept)).toMatchObject({ code: 0, out: `rotated: ${gateway} at oak-house\n` })
  expect(typed(state, 'import', kept).out).toBe(`already rotated: ${gateway} at oak-house\n`)
  expect(typed(state, 'verify').code).toBe(0)
}, 120_000)

test('a root on another machine sees which keys a rotation exchanges, and that the box asked for it', () => {
  const state = proposed()
  const { gateway } = it.box
  const root = at('root.sealed')
  renameSync(join(state, 'root.sealed'), root)
  expect(json(typed(state, 'rotate', gateway, '--yes', '--json').out)).toMatchObject([{ outcome: 'waiting' }])
  expect(json(typed(state, 'waiting', '--json').out)).toMatchObject([
    { gateway, version: 2, what: 'rotation' },
  ])
  const asked = at('to-sign.json')
  expect(typed(state, 'waiting', '--out', asked).code).toBe(0)
  const sign = (file: string) =>
    type('registry', 'sign', file, '--root', root, '--out', at('signed.json'), '--yes', '--json', ...secret)
  const [from, to] = [it.first.key.kid, next.sign.kid]
  const done = sign(asked)
  expect([done.code, json(done.out)]).toMatchObject([
    0,
    [{ gateway, version: 2, what: 'rotation', from, to }],
  ])
  expect(done.error).toContain(`key ${from} of binding 1 asked on`)
  expect(done.error).toContain(next.words)

  const honest = JSON.parse(readFileSync(asked, 'utf8'))
  const changed = (rotation: object | undefined) => {
    const [one] = honest.bindings
    writeFileSync(at('changed.json'), JSON.stringify({ ...honest, bindings: [{ ...one, rotation }] }))
    return sign(at('changed.json'))
  }
  const { before, proposal } = honest.bindings[0].rotation
  // what shows nothing is told as such, not as a rotation
  expect(json(changed(undefined).out)).toMatchObject([{ what: 'box again' }])
  rmSync(at('signed.json'))
  const foreign = `${proposal.sig.slice(0, 4) === 'AAAA' ? 'BBBB' : 'AAAA'}${proposal.sig.slice(4)}`
  for (const rotation of [
    { before, proposal: { ...proposal, sig: foreign } },
    { before: { ...before, sig: foreign }, proposal },
    { before, proposal: before },
  ]) {
    expect(changed(rotation)).toMatchObject({ code: 1, out: '' })
  }
  expect(existsSync(at('signed.json'))).toBe(false)

  sign(asked)
  expect(typed(state, 'import', at('signed.json'))).toMatchObject({
    code: 0,
    out: `rotated: ${gateway} at oak-house\n`,
  })
  const store = openStore(paths(state).database)
  expect(openRegistry(state, store.db).gateway(gateway)?.verifyKey.kid).toBe(to)
  store.close()
  expect(typed(state, 'verify').code).toBe(0)
}, 120_000)

test('nothing is rotated that no box asked for, and no signed binding enters without its proposal', async () => {
  const state = proposed()
  const stranger = await makeBox({ gateway: it.box.gateway })
  const kept = at('kept.json')
  typed(state, 'rotate', it.box.gateway, '--yes', ...secret)
  const { statements, requests, proposals } = JSON.parse(
    readFileSync(join(state, 'rotated', `${it.box.gateway}-2.json`), 'utf8'),
  )
  const other = copyOf(it.state)
  states.push(other)
  for (const content of [
    { signed: 1, statements },
    { signed: 1, statements, requests },
    { signed: 1, statements, requests: [JSON.parse(stranger.text)], proposals },
    { signed: 1, statements, requests, proposals: [null] },
  ]) {
    writeFileSync(kept, JSON.stringify(content))
    const { code, error } = typed(other, 'import', kept)
    expect(code).toBe(1)
    expect(error).toContain('does not wait here')
  }
  const again = typed(other, 'rotate', 'aaaaaa')
  expect(again).toMatchObject({ code: 1 })
  expect(typed(other, 'rotate', it.box.gateway, '--root', at('nowhere'), '--yes', ...secret).code).toBe(1)
}, 120_000)
