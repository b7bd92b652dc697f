import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../../../scripts/scenario/program.ts'
import { base64url, unbase64url } from '../../../src/base/bytes.ts'
import { readRouteFile, saveRouteFile } from '../../../src/identity/identity.ts'
import { places } from '../../../src/identity/places.ts'
import { certificatePin } from '../../../src/receiver/authority.ts'
import { readSigner } from '../../../src/receiver/state.ts'
import { verifyKey } from '../../../src/wire/keys.ts'
import { type Bundle, type ServerEntry, signRegistry, verifyRegistry } from '../../../src/wire/registry.ts'
import { decodeBody, encodeBody, publish, unpublish } from '../../../src/wire/statement.ts'
import { patienceMs } from '../../way/site.ts'
import type { Attack, Hop } from '../attack.ts'
import { faultOf, linesOf } from '../build.ts'
import { undone } from '../card.ts'
import type { Piece } from '../piece.ts'
import { openRival, type Rival } from '../rival.ts'
import { startImpostor } from '../rogue.ts'
import type { Scene } from '../scene.ts'
import type { Ended } from '../typist.ts'

// Where a gateway sends: whoever wants it to believe in another server.

const piece = (file: string, text: string, replacement: string): Piece => ({ file, text, replacement })

let rival: Rival | undefined

async function prepare(scene: Scene): Promise<void> {
  rival = await openRival(scene)
  scene.closing.push(rival.close)
}

const own = (scene: Scene, ...words: string[]): Promise<Ended> =>
  scene.plain.type('vitalgate', '--state', scene.first.state, '--json', ...words)

/** The rival's bundle for a box, made from its public request. */
async function rivalBundle(scene: Scene, state = scene.first.state): Promise<string> {
  const asked = await scene.plain.type('vitalgate', '--state', state, '--json', 'provision', 'request')
  const [{ request, words }] = linesOf<{ request: string; words: string[] }>(asked) as [
    { request: string; words: string[] },
  ]
  const file = join(scene.site.folder, 'rival.request.json')
  writeFileSync(file, request)
  return rival!.bundleFor(file, words.join(' '))
}

/** The six words of the true registry's root. */
async function trueWords({ type }: Scene): Promise<string> {
  const told = await type('init', '--host', 'localhost')
  return linesOf<{ words: string[] }>(told)[0]!.words.join(' ')
}

/** Somebody writes a route on the disk of the first box; `act` sees what the box makes of it. */
async function withRoute(scene: Scene, route: Bundle, act: () => Promise<string>): Promise<string> {
  const { first } = scene
  const before = readFileSync(places(first.state).route)
  await scene.restart('first', () => saveRouteFile(first.state, route))
  try {
    const { phase, notices } = await scene.status(first)
    const why = notices.find(one => /server-entry does not hold|registry that nobody confirmed/.test(one))
    return phase === 'requested' && why !== undefined ? 'route refused, no server' : await act()
  } finally {
    await scene.restart('first', () => writeFileSync(places(first.state).route, before))
  }
}

/** A weight is taken and read by the rival. */
async function readByRival(scene: Scene): Promise<string> {
  const weight = scene.weigh(scene.first)
  await until('the rival reading it', patienceMs, () => rival!.reads(weight))
  return 'the rival reads a weight'
}

const attacks: Attack[] = [
  {
    id: 'T16a',
    attack: 'holds the box, writes another address, CA and pin into its signed server entry',
    expected: 'route refused, no server',
    undefended: 'bytes heard',
    defence: [piece('wire/registry.ts', 'if (!isSignedBy(statement, key))', 'if (false)')],
    programs: ['first'],
    act: async scene => {
      const rogue = await startImpostor()
      try {
        const route = readRouteFile(scene.first.state)!
        const entry = decodeBody(unpublish(route.serverEntry).body) as unknown as ServerEntry
        const altered = {
          ...entry,
          brokers: [`mqtts://localhost:${rogue.port}`],
          ca: [...entry.ca, rogue.authority],
          pins: [certificatePin(rogue.certificate)],
        }
        const serverEntry = { ...route.serverEntry, body: base64url(encodeBody(altered)) }
        return await withRoute(scene, { ...route, serverEntry }, async () => {
          await until('the rogue hearing', patienceMs, () => rogue.bytes() > 0)
          return 'bytes heard'
        })
      } finally {
        await rogue.close()
      }
    },
  },
  {
    id: 'T16b',
    attack: 'holds the box, puts a whole route of his own registry there',
    expected: 'route refused, no server',
    undefended: 'the rival reads a weight',
    defence: [
      // only the pinned root counts: as the name of the registry, and as the key that everything must follow from
      piece(
        'identity/identity.ts',
        'if (pins === undefined || !roots.includes(bundle.root))',
        'if (pins === undefined)',
      ),
      piece(
        'identity/identity.ts',
        'routeOf(bundle, keys, pins)',
        'routeOf(bundle, keys, { ...pins, root: bundle.root })',
      ),
    ],
    programs: ['first'],
    act: async scene =>
      withRoute(scene, JSON.parse(await rivalBundle(scene)) as Bundle, () => readByRival(scene)),
  },
  {
    id: 'T16c',
    attack: 'hands the technician a bundle of his own registry for a box that is in use',
    expected: 'route.refused',
    undefended: 'accepted',
    // a box keeps its registry, and it keeps its server
    defence: [
      piece(
        'identity/provision.ts',
        'const pins = believe(given, keys.pins, words, () => statementsHeld(state))',
        'const pins = { root: given.root, successor: null, versions: { binding: 0, serverEntry: 0 } }',
      ),
      piece('identity/provision.ts', 'checkFollows(route, before.route)\n', '\n'),
    ],
    programs: ['first'],
    act: async scene => {
      const bundle = join(scene.site.folder, 'rival.bundle.json')
      writeFileSync(bundle, await rivalBundle(scene))
      return undone(scene, async () => faultOf(await own(scene, 'provision', 'accept', bundle)) ?? 'accepted')
    },
  },
  {
    id: 'T48e',
    attack: 'hands the technician a bundle of his own registry for a new box; the words come by phone',
    expected: 'words.mismatch',
    undefended: 'accepted',
    defence: [
      piece(
        'identity/provision.ts',
        'words !== undefined && !sameWords(words, rootWords(unbase64url(root)))',
        'false',
      ),
    ],
    // the box is new, and of the present build
    programs: [],
    act: async scene => {
      const state = join(scene.site.folder, `new-${scene.weights.size}-${Date.now()}`)
      mkdirSync(state, { mode: 0o700 })
      const log = `${state}.log`
      const daemon = scene.build.start('vitalgate', ['--state', state, 'run'], log)
      try {
        await until('the new box', patienceMs, () => readFileSync(log, 'utf8').includes('ready'))
        const bundle = `${state}.bundle.json`
        writeFileSync(bundle, await rivalBundle(scene, state))
        const words = await trueWords(scene)
        const ended = await scene.plain.type(
          'vitalgate',
          ...['--state', state, '--json', 'provision', 'accept', bundle, '--root-words', words],
        )
        return faultOf(ended) ?? 'accepted'
      } finally {
        await daemon.end('SIGTERM')
      }
    },
  },
  {
    id: 'T49',
    attack: 'keeps an old bundle of the true registry and hands it out after the new one',
    expected: 'route.refused',
    undefended: 'accepted',
    defence: [piece('identity/identity.ts', 'if (lower === undefined) return\n', 'return\n')],
    programs: ['first'],
    act: async scene => {
      const { site, first } = scene
      const route = readRouteFile(first.state)!
      const passphrase = readFileSync(join(site.folder, 'passphrase'), 'utf8').trim()
      const root = readSigner(site.receiver, 'root', { passphrase })
      const { kid: _, ...entry } = verifyRegistry(
        'server-entry',
        unpublish(route.serverEntry),
        verifyKey(unbase64url(route.root)),
      )
      const newer = signRegistry('server-entry', { ...entry, version: entry.version + 1 }, root)
      const files = [join(site.folder, 'newer.json'), join(site.folder, 'older.json')] as const
      writeFileSync(files[0], JSON.stringify({ ...route, serverEntry: publish(newer) }))
      writeFileSync(files[1], JSON.stringify(route))
      return undone(scene, async () => {
        linesOf(await own(scene, 'provision', 'accept', files[0]))
        return faultOf(await own(scene, 'provision', 'accept', files[1])) ?? 'accepted'
      })
    },
  },
]

export const routeHop: Hop = { hop: 'route', attacks, prepare }
