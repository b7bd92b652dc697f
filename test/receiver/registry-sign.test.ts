import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { unbase64url } from '../../src/base/bytes.ts'
import { signingKey, verifyKey } from '../../src/wire/keys.ts'
import { bundleForm, verifyRegistry } from '../../src/wire/registry.ts'
import { decodeBody, encodeBody, pae, publish, unpublish } from '../../src/wire/statement.ts'
import { makeBox } from './box.ts'
import { copyOf, passphrase, registryBench } from './revoke-fixture.ts'

const program = join(import.meta.dirname, '../../scripts/vitalgate-receiver')
const folder = mkdtempSync(join(tmpdir(), 'vitalgate-sign-'))
const at = (name: string) => join(folder, name)
let state: string
let root: string
let secret: string[]
let it: Awaited<ReturnType<typeof registryBench>>

/** Types a command line, with no terminal behind it. */
function type(...line: string[]) {
  const { stdout, stderr, status } = spawnSync(program, line, { encoding: 'utf8', cwd: folder, input: '' })
  return { out: stdout, error: stderr, code: status }
}
const typed = (...line: string[]) => type('--state', state, 'registry', ...line)
const json = (path: string) => JSON.parse(readFileSync(path, 'utf8'))
const file = (name: string, content: string): string => {
  writeFileSync(at(name), content)
  chmodSync(at(name), 0o600)
  return at(name)
}

beforeAll(async () => {
  it = await registryBench()
  it.store.db.pragma('wal_checkpoint(TRUNCATE)')
  state = copyOf(it.state)
  // as docs/OPERATE.md says: the root leaves the machine of the receiver
  root = at('root.sealed')
  renameSync(join(state, 'root.sealed'), root)
  secret = ['--passphrase-file', file('passphrase', `${passphrase}\n`)]
})
afterAll(() => {
  it.end()
  for (const one of [state, folder]) rmSync(one, { recursive: true, force: true })
})

test('a root on another machine: enrolled unsigned, exported, signed, imported, bundled', async () => {
  const [one, two] = [await makeBox(), await makeBox()]
  const enrol = (box: typeof one, ...more: string[]) =>
    typed(
      'enrol',
      file(`${box.gateway}.json`, box.text),
      '--site',
      'oak-house',
      '--words',
      box.words,
      ...more,
    )
  // no passphrase is asked for: there is nothing to unlock
  expect(enrol(one)).toMatchObject({
    code: 0,
    out: `waiting for the root to sign: ${one.gateway} at oak-house\n`,
  })
  expect(enrol(one, '--json').code).toBe(0)
  expect(enrol(two, '--unsigned').code).toBe(0)
  expect(typed('bundle', one.gateway).code).toBe(1)
  expect(JSON.parse(`[${typed('waiting', '--json').out.trim().replaceAll('\n', ',')}]`)).toMatchObject([
    { gateway: one.gateway, version: 1 },
    { gateway: two.gateway, version: 1 },
  ])
  const asked = at('to-sign.json')
  expect(typed('waiting', '--out', asked).code).toBe(0)

  const signed = at('signed.json')
  const sign = (...more: string[]) =>
    type('--state', at('nowhere'), 'registry', 'sign', asked, '--root', root, '--out', signed, ...more)
  expect(sign(...secret)).toMatchObject({ code: 2, out: '' })
  expect(existsSync(signed)).toBe(false)
  const done = sign(...secret, '--yes')
  expect(done).toMatchObject({ code: 0, out: `signed: 2, file ${signed}\n` })
  expect(done.error).toContain(one.words)
  expect(done.error).toContain('oak-house')
  expect(existsSync(at('nowhere'))).toBe(false)

  expect(typed('import', signed, '--by', 'anna')).toMatchObject({
    code: 0,
    out: `enrolled: ${one.gateway} at oak-house\nenrolled: ${two.gateway} at oak-house\n`,
  })
  expect(typed('import', signed).out).toContain(`already enrolled: ${one.gateway}`)
  expect(typed('waiting').out).toBe('nothing waits\n')
  expect(typed('bundle', one.gateway.slice(0, 8), '--out', at('bundles')).code).toBe(0)
  const bundle = bundleForm.parse(json(join(at('bundles'), `${one.gateway}.bundle.json`)))
  const binding = verifyRegistry('binding', unpublish(bundle.binding), verifyKey(unbase64url(bundle.root)))
  expect(binding).toMatchObject({ gateway: one.gateway, site: 'oak-house', version: 1 })
  const verified = typed('verify', '--json')
  expect([verified.code, JSON.parse(verified.out)]).toEqual([0, expect.objectContaining({ problems: [] })])
}, 90_000)

test('what was not asked for, or changed on the way, is neither signed nor entered', async () => {
  const box = await makeBox()
  const request = file('request.json', box.text)
  expect(typed('enrol', request, '--site', 'oak-house', '--words', box.words).code).toBe(0)
  const asked = at('asked.json')
  typed('waiting', '--out', asked)
  const honest = json(asked)
  const sign = (content: object, out = at('out.json')) =>
    type(
      'registry',
      'sign',
      file('changed.json', JSON.stringify(content)),
      '--root',
      root,
      '--out',
      out,
      '--yes',
      ...secret,
    )
  const body = decodeBody(unbase64url(honest.bindings[0].body))
  const changed = (members: object) => ({
    ...honest,
    bindings: [
      { ...honest.bindings[0], body: Buffer.from(encodeBody({ ...body, ...members })).toString('base64url') },
    ],
  })
  const impostor = await makeBox({ gateway: box.gateway })
  const cases: [object, string][] = [
    [changed({ gateway: 'aaaabbbbccccddddeeeeffffga' }), 'is not what its request asks for'],
    [changed({ server: 'aaaabbbbccccddddeeeeffffga' }), 'is not what its request asks for'],
    [
      changed({ keys: { ...(body.keys as object), tls: 'ab'.repeat(32) } }),
      'is not what its request asks for',
    ],
    [changed({ kid: '0'.repeat(16) }), 'is for root 0000000000000000'],
    [
      { ...honest, bindings: [{ ...honest.bindings[0], request: JSON.parse(impostor.text) }] },
      'is not what its request',
    ],
    [{ ...honest, more: 1 }, 'is not such a file'],
    [{ ...honest, bindings: [] }, 'asks for no signature'],
  ]
  for (const [content, why] of cases) {
    expect(sign(content)).toMatchObject({ code: 1, error: expect.stringContaining(why) })
  }
  expect(existsSync(at('out.json'))).toBe(false)

  // the root signs another site than was asked for: it may, and here it was not asked for
  const moved = at('moved.json')
  expect(sign(changed({ site: 'elm-house' }), moved).code).toBe(0)
  expect(typed('import', moved)).toMatchObject({
    code: 1,
    error: expect.stringContaining('does not wait here'),
  })
  // what somebody else signed
  const stranger = signingKey(new Uint8Array(32).fill(7))
  const bytes = unbase64url(honest.bindings[0].body)
  const forged = publish({ type: 'binding', body: bytes, signature: stranger.sign(pae('binding', bytes)) })
  expect(
    typed('import', file('forged.json', JSON.stringify({ signed: 1, statements: [forged] }))),
  ).toMatchObject({
    code: 1,
    error: expect.stringContaining('binding is not signed by key'),
  })
  expect(typed('show', box.gateway)).toMatchObject({ code: 1 })
}, 90_000)

test('a batch with one that does not fit enters the others, and says so with exit 3', async () => {
  const box = await makeBox()
  typed('enrol', file('third.json', box.text), '--site', 'elm-house', '--words', box.words)
  const [asked, signed] = [at('batch.json'), at('batch-signed.json')]
  typed('waiting', '--out', asked)
  expect(type('registry', 'sign', asked, '--root', root, '--out', signed, '--yes', ...secret).code).toBe(0)
  const { statements } = json(signed)
  const stray = { ...statements[0], sig: 'A'.repeat(86) }
  const mixed = file('mixed.json', JSON.stringify({ signed: 1, statements: [stray, ...statements] }))
  const done = typed('import', mixed)
  expect(done).toMatchObject({ code: 3, error: expect.stringContaining('is not signed by key') })
  expect(done.out).toContain(`enrolled: ${box.gateway} at elm-house`)
}, 90_000)

test('an operator is revoked with the root from its medium, and another takes his place', async () => {
  const away = ['--root', root, ...secret]
  expect(typed('certify-operator', 'second', ...away)).toMatchObject({
    code: 1,
    error: expect.stringContaining('operator operator signs here'),
  })
  expect(typed('revoke-operator', 'operator', '--why', 'left the house', '--yes', ...secret)).toMatchObject({
    code: 1,
    error: expect.stringContaining('root.sealed'),
  })
  expect(typed('revoke-operator', 'operator', '--why', 'left the house', '--yes', ...away)).toMatchObject({
    code: 0,
    out: 'revoked: operator operator, number 1\n',
  })
  const box = await makeBox()
  const request = file('last.json', box.text)
  expect(
    typed('enrol', request, '--site', 'oak-house', '--words', box.words, '--out', folder, ...away).code,
  ).toBe(0)
  expect(typed('revoke', box.gateway, '--why', 'stolen', '--yes')).toMatchObject({
    code: 1,
    error: expect.stringContaining(
      'hint: make another one: vitalgate-receiver registry certify-operator NAME',
    ),
  })
  expect(typed('certify-operator', 'operator', ...away)).toMatchObject({
    code: 1,
    error: expect.stringContaining('the name operator was used for another operator key'),
  })
  expect(typed('certify-operator', 'second', ...away)).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^certified: operator second, key [0-9a-f]{16}\n$/),
  })
  expect(typed('certify-operator', 'second').out).toContain('already certified')
  expect(typed('revoke', box.gateway, '--why', 'stolen', '--yes')).toMatchObject({
    code: 0,
    out: `revoked: gateway ${box.gateway} at oak-house, number 2\n`,
  })
  expect(typed('verify')).toMatchObject({ code: 0, out: expect.stringContaining('problems:   0') })
  const log = typed('log', '--limit', '4').out
  expect(log).toContain('revocation 2 of')
  expect(log).toContain('operator 1 of second')
}, 120_000)

test('a passphrase of another root is of no use', () => {
  const other = join(state, 'successor.sealed')
  expect(typed('revoke-operator', 'second', '--why', 'x', '--yes', '--root', other, ...secret)).toMatchObject(
    {
      code: 1,
      error: expect.stringContaining('holds another root than this registry has'),
    },
  )
})
