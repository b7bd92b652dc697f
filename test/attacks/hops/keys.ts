import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { base64url } from '../../../src/base/bytes.ts'
import { readRouteFile } from '../../../src/identity/identity.ts'
import { readKeys } from '../../../src/identity/keys.ts'
import { readSigner } from '../../../src/receiver/state.ts'
import { type SigningKey, verifyKey } from '../../../src/wire/keys.ts'
import { type RegistryType, verifyRegistry } from '../../../src/wire/registry.ts'
import { type PublicStatement, publish, signStatement, unpublish } from '../../../src/wire/statement.ts'
import type { Attack, Hop } from '../attack.ts'
import { faultOf } from '../build.ts'
import { undone } from '../card.ts'
import type { Piece } from '../piece.ts'
import { type Asked, enrol } from '../request.ts'
import type { Scene } from '../scene.ts'

// Keys that are none (WIRE 2.3), and keys of others, at every door where a key comes in.

const piece = (file: string, text: string, replacement: string): Piece => ({ file, text, replacement })

const smallSign = piece('wire/points.ts', 'if (smallOrderY.has(y))', 'if (false)')
/** OpenSSL 3.5 refuses such keys as well; tweetnacl and earlier versions do not (RFC 8032 leaves it open). */
const library = piece(
  'wire/keys.ts',
  'signature.length === 64 && verify(null, message, key, signature)',
  'nacl.sign.detached.verify(Uint8Array.from(message), Uint8Array.from(signature), Uint8Array.from(publicKey))',
)
const smallBox = piece('wire/points.ts', 'if (smallOrderU.has(u))', 'if (false)')

/** The neutral point of Ed25519. Under it one signature holds for every message: R is the point itself, S is 0. */
const neutral = Uint8Array.of(1, ...new Uint8Array(31))
const anybodys = Uint8Array.from([...neutral, ...new Uint8Array(32)])

/** The same point, spelled as p + 1: little-endian 2^255 - 18. */
const neutralAgain = Uint8Array.of(0xee, ...new Uint8Array(30).fill(0xff), 0x7f)

/** An X25519 point to which everybody's seal is the same: u = 1. */
const everybodys = neutral

/** Signs for a key of which nobody needs the secret. */
const signsWithout = (publicKey: Uint8Array): SigningKey =>
  ({ publicKey, sign: () => anybodys }) as unknown as SigningKey

/** What became of a request. */
const enrolled = async (scene: Scene, asked: Asked): Promise<string> =>
  (await enrol(scene, asked, scene.build)).outcome

/** The public keys of a box, as its request tells them to everybody. */
const keysOf = (scene: Scene) => readKeys(scene.first.state)

/** The same statement with other members, signed anew by the root: it, too, may have been deceived. */
function byRoot(
  scene: Scene,
  type: RegistryType,
  form: PublicStatement,
  change: (body: Record<string, unknown>) => Record<string, unknown>,
): PublicStatement {
  const passphrase = readFileSync(join(scene.site.folder, 'passphrase'), 'utf8').trim()
  const root = readSigner(scene.site.receiver, 'root', { passphrase })
  const body = verifyRegistry(type, unpublish(form), verifyKey(root.publicKey)) as Record<string, unknown>
  return publish(signStatement(type, change(body), root))
}

/** A bundle in which something was changed is handed to the technician of the first box. */
async function accepted(
  scene: Scene,
  change: (route: NonNullable<ReturnType<typeof readRouteFile>>) => object,
): Promise<string> {
  const { first, site, plain } = scene
  const route = readRouteFile(first.state)!
  const file = join(site.folder, 'bent.bundle.json')
  writeFileSync(file, JSON.stringify({ ...route, ...change(route) }))
  return undone(scene, async () => {
    const ended = await plain.type('vitalgate', '--state', first.state, '--json', 'provision', 'accept', file)
    return faultOf(ended) ?? 'accepted'
  })
}

const newer = (body: Record<string, unknown>): Record<string, unknown> => ({
  ...body,
  version: Number(body.version) + 1,
})

const attacks: Attack[] = [
  {
    id: 'T50a',
    attack: 'asks to be enrolled with a box key to which everything is sealed for everybody',
    expected: 'input.invalid',
    undefended: 'enrolled',
    defence: [smallBox],
    programs: [],
    act: scene => enrolled(scene, { box: everybodys }),
  },
  {
    id: 'T50e',
    attack: 'asks to be enrolled with a signing key for which everybody can sign',
    expected: 'input.invalid',
    undefended: 'enrolled',
    defence: [smallSign, library],
    programs: [],
    act: scene => enrolled(scene, { sign: neutral, signer: signsWithout(neutral) }),
  },
  {
    id: 'T50f',
    attack: 'the same key, spelled in another way that libraries take for it',
    expected: 'input.invalid',
    undefended: 'enrolled',
    defence: [piece('wire/points.ts', 'if (y >= p)', 'if (false)'), library],
    programs: [],
    act: scene => enrolled(scene, { sign: neutralAgain, signer: signsWithout(neutralAgain) }),
  },
  {
    id: 'T50g',
    attack: 'asks to be enrolled with the box key of another gateway',
    expected: 'registry.known',
    undefended: 'enrolled',
    // looked for among other gateways, among former keys, and by the table itself
    defence: [
      piece('receiver/enrol.ts', 'if (clash !== undefined) {', 'if (false) {'),
      piece('receiver/enrol.ts', 'if (rows.some(', 'if ([].some('),
      piece(
        'receiver/registry-enrolments.ts',
        ').run(gateway, version, request, sign_key, box_key,',
        ').run(gateway, version, request, sign_key, box_key + gateway,',
      ),
    ],
    programs: [],
    act: scene => enrolled(scene, { box: keysOf(scene).box.publicKey }),
  },
  {
    id: 'T50h',
    attack: 'has the root sign a server entry with a receipt key for which everybody can sign',
    expected: 'route.refused',
    undefended: 'accepted',
    defence: [smallSign],
    programs: ['first'],
    act: scene =>
      accepted(scene, ({ serverEntry }) => ({
        serverEntry: byRoot(scene, 'server-entry', serverEntry, body => ({
          ...newer(body),
          keys: { ...(body.keys as object), receipt: base64url(neutral) },
        })),
      })),
  },
  {
    id: 'T50i',
    attack: 'has the root certify an operator key for which everybody can sign',
    expected: 'route.refused',
    undefended: 'accepted',
    defence: [smallSign],
    programs: ['first'],
    act: scene =>
      accepted(scene, ({ operators }) => ({
        operators: operators.map(one =>
          byRoot(scene, 'operator', one, body => ({ ...body, key: base64url(neutral) })),
        ),
      })),
  },
]

/** What the boxes' technicians and operators are asked to take for a key. */
export const keysHop: Hop = { hop: 'keys', attacks }
