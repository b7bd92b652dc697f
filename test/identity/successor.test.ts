import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { base64url, hex } from '../../src/base/bytes.ts'
import { loadIdentity } from '../../src/identity/identity.ts'
import { acceptBundle } from '../../src/identity/provision.ts'
import { type Book, readBook } from '../../src/identity/registry-book.ts'
import { makePair, type SigningKey, signingKey } from '../../src/wire/keys.ts'
import { signRegistry } from '../../src/wire/registry.ts'
import { type PublicStatement, publish, type Statement, statementHash } from '../../src/wire/statement.ts'
import { rootWords } from '../../src/wire/words.ts'
import { makeRegistry, type StandIn, serverId } from './registry-stand-in.ts'
import { type Box, makeBox, powerCut } from './turning.ts'

const newSigner = (): SigningKey => signingKey(makePair('ed25519').secret)
const since = 1_770_000_000_000
const text = (key: SigningKey): string => base64url(key.publicKey)

let standIn: StandIn
let heir: SigningKey
let box: Box
beforeAll(() => {
  standIn = makeRegistry()
})
beforeEach(async () => {
  heir = newSigner()
  box = await makeBox(standIn, text(heir))
})
afterEach(() => box.remove())
afterAll(() => rmSync(standIn.folder, { recursive: true }))

const operator = (name: string, key: SigningKey, by: SigningKey): PublicStatement =>
  publish(signRegistry('operator', { operator: name, key: text(key), since }, by))

const revocation = (
  number: number,
  before: Statement | null,
  key: SigningKey,
  by: SigningKey,
  id = 'anne',
): Statement => {
  const what = id.length === 26 ? ('gateway' as const) : ('operator' as const)
  const tls = what === 'gateway' ? 'ab'.repeat(32) : null
  const hash = before === null ? null : hex(statementHash(before))
  return signRegistry(
    'revocation',
    { server: serverId, number, before: hash, what, id, key: key.kid, tls, since, why: 'left' },
    by,
  )
}
const take = (...statements: PublicStatement[]): string[] => box.take({ statements }).taken
const book = (): Book => readBook(box.state, box.identity())
const pins = () => box.identity().keys.pins!
const bookPath = (): string => join(box.state, 'registry.json')

test.each(['entry', 'binding'] as const)(
  'the first %s under the successor makes it the root, and the old one ends',
  what => {
    const { root } = standIn
    const anne = newSigner()
    expect(take(operator('anne', anne, root))).toEqual(['operator'])
    expect(take(box[what]({ version: 2 }, heir))).toHaveLength(1)
    expect([pins().root, pins().successor]).toEqual([text(heir), null])
    expect(box.identity().route[what].kid).toBe(heir.kid)
    // what was taken before counts on, after a start as well
    expect(box.identity().phase).toBe('provisioned')
    expect(book().operators.get(anne.kid)).toMatchObject({ name: 'anne', revoked: false })
    expect(book().refused).toBe(undefined)
    // and nothing new
    for (const form of [
      box.entry({ version: 3 }),
      box.binding({ version: 3 }),
      operator('bert', newSigner(), root),
      publish(revocation(1, null, anne, root)),
    ]) {
      expect([form.type, take(form)]).toEqual([form.type, []])
    }
    expect(take(box.entry({ version: 3 }, heir), box.binding({ version: 3 }, heir))).toHaveLength(2)
    expect(box.identity().route.entry.version).toBe(3)
  },
)

test('operator and revocation under the successor are believed beside those of the root, which stays', () => {
  const [anne, bert] = [newSigner(), newSigner()]
  const one = revocation(1, null, anne, heir)
  expect(take(operator('anne', anne, standIn.root), operator('bert', bert, heir), publish(one))).toEqual([
    'operator',
    'operator',
    'revocation',
  ])
  expect([book().operators.get(anne.kid)?.revoked, book().operators.get(bert.kid)?.revoked]).toEqual([
    true,
    false,
  ])
  expect(take(publish(revocation(2, one, bert, standIn.root, 'bert')))).toEqual(['revocation'])
  expect(pins().root).toBe(text(standIn.root))
})

test('what the old root said of operators is taken though the successor’s entry came ahead of it, in one update', () => {
  const anne = newSigner()
  const { root } = standIn
  const end = revocation(1, null, anne, root)
  expect(take(box.entry({ version: 2 }, heir), operator('anne', anne, root), publish(end))).toHaveLength(3)
  expect([pins().root, book().operators.get(anne.kid)?.revoked]).toEqual([text(heir), true])
})

test('what was taken under the old root counts again where the book was lost, and nothing else of it', () => {
  const { root } = standIn
  const [anne, lost] = [newSigner(), newSigner()]
  // the one of a stranger's gateway is not kept, the other is
  const one = revocation(1, null, lost, root, `${'d'.repeat(25)}a`)
  const two = revocation(2, one, anne, root)
  const forms = [operator('anne', anne, root), publish(one), publish(two)]
  expect(take(...forms)).toHaveLength(3)
  take(box.entry({ version: 2 }, heir))
  rmSync(bookPath())
  expect(book().behind).toBe(true)
  expect(take(...forms)).toHaveLength(3)
  expect([book().behind, book().operators.get(anne.kid)?.revoked]).toEqual([false, true])
  // its chain goes on under the new root alone
  expect(take(publish(revocation(3, two, lost, root, 'bert')))).toEqual([])
  expect(take(publish(revocation(3, two, lost, heir, 'bert')))).toEqual(['revocation'])
})

test('statements of the old root that somebody puts on the disk are not believed', () => {
  take(box.entry({ version: 2 }, heir))
  const file = JSON.parse(readFileSync(join(box.state, 'route.json'), 'utf8'))
  const forged = { ...file, bundle: { ...file.bundle, serverEntry: box.entry({ version: 9 }) } }
  for (const root of [text(standIn.root), text(heir)]) {
    writeFileSync(
      join(box.state, 'route.json'),
      JSON.stringify({ ...forged, bundle: { ...forged.bundle, root } }),
    )
    const identity = loadIdentity(box.state)
    expect(identity.phase === 'requested' && identity.refused?.code).toBe('route.refused')
  }
  writeFileSync(join(box.state, 'route.json'), JSON.stringify(file))
  take(operator('carl', newSigner(), heir))
  const kept = JSON.parse(readFileSync(bookPath(), 'utf8'))
  writeFileSync(
    bookPath(),
    JSON.stringify({ ...kept, operators: [operator('mallory', newSigner(), standIn.root)] }),
  )
  expect([book().operators.size, book().refused?.code]).toEqual([0, 'route.refused'])
})

test('the plug pulled before any write leaves a box that starts and believes, and the update goes on', async () => {
  const whole = powerCut(Number.POSITIVE_INFINITY)
  const anne = newSigner()
  const forms = (own: Box): PublicStatement[] => [
    operator('anne', anne, standIn.root),
    own.entry({ version: 2 }, heir),
    own.binding({ version: 2 }, heir),
  ]
  box.take({ statements: forms(box) }, whole.save)
  for (let after = 0; after < whole.count(); after++) {
    const own = await makeBox(standIn, text(heir))
    expect(() => own.take({ statements: forms(own) }, powerCut(after).save)).toThrow('power cut')
    expect(own.identity().route.server).toBe(serverId)
    expect(readBook(own.state, own.identity()).refused).toBe(undefined)
    own.take({ statements: forms(own) })
    const { keys, route } = own.identity()
    expect([keys.pins?.root, route.entry.version, route.binding.version]).toEqual([text(heir), 2, 2])
    expect(own.take({ statements: [own.entry({ version: 3 })] }).taken).toEqual([])
    own.remove()
  }
})

test('by a bundle the successor takes over where its words are typed; the book and nothing of the old root stays', () => {
  const anne = newSigner()
  take(operator('anne', anne, standIn.root))
  const later = JSON.stringify({
    ...box.bundle,
    root: text(heir),
    binding: box.binding({ version: 2 }, heir),
    serverEntry: box.entry({ version: 2 }, heir),
  })
  const words = rootWords(heir.publicKey).join(' ')
  expect(() => acceptBundle(box.state, later, undefined)).toThrow(/words/)
  expect(acceptBundle(box.state, later, words).identity.keys.pins?.root).toBe(text(heir))
  expect(book().operators.get(anne.kid)?.name).toBe('anne')
  const back = JSON.stringify({ ...box.bundle, binding: box.binding({ version: 3 }) })
  const old = rootWords(standIn.root.publicKey).join(' ')
  for (const typed of [undefined, old])
    expect(() => acceptBundle(box.state, back, typed)).toThrow(/another registry/)
  expect(take(box.entry({ version: 3 }))).toEqual([])
})

test('new keys and the successor in one update', async () => {
  const request = await box.propose()
  const { certificate } = box.bound(request, 2)
  const { keys } = JSON.parse(
    Buffer.from(box.bound(request, 2).statements[0]!.body, 'base64url').toString(),
  ) as { keys: object }
  const statements = [box.binding({ version: 2, keys }, heir)]
  expect(box.take({ statements, certificate }).change).toBe('keys')
  expect([pins().root, box.identity().route.binding.version]).toEqual([text(heir), 2])
})

test('a box without a successor pinned believes nobody else', async () => {
  const alone = await makeBox(standIn)
  expect(alone.take({ statements: [alone.entry({ version: 2 }, heir)] }).taken).toEqual([])
  alone.remove()
})
