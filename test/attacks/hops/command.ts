import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { until } from '../../../scripts/scenario/program.ts'
import { hex } from '../../../src/base/bytes.ts'
import type { Status } from '../../../src/control/api.ts'
import { readKeys } from '../../../src/identity/keys.ts'
import { readServerKeys } from '../../../src/receiver/state.ts'
import { open as openEnvelope, unpack } from '../../../src/wire/envelope.ts'
import type { SigningKey } from '../../../src/wire/keys.ts'
import { signAndSeal } from '../../../src/wire/message.ts'
import { decodeBody } from '../../../src/wire/statement.ts'
import { patienceMs } from '../../way/site.ts'
import type { Attack, Hop } from '../attack.ts'
import { faultOf, linesOf } from '../build.ts'
import type { Piece } from '../piece.ts'
import { isRow, lead, redirected, startRogueBroker, welcomed } from '../rogue.ts'
import type { Scene } from '../scene.ts'
import { stolenGateway } from '../stolen.ts'
import { forge, ownKey, reading, waysOf } from '../thief.ts'

// Who commands a gateway, and what a revoked key may still say. The broker is another's: nothing but the
// receiver's own checks stands in the way.

const piece = (file: string, text: string, replacement: string): Piece => ({ file, text, replacement })

/** The nonces of the hellos of the first gateway, in order: a thief of the server's box key reads them. */
function noncesIn(scene: Scene, heard: readonly Uint8Array[]): string[] {
  const { box } = readServerKeys(scene.site.receiver)
  return heard
    .filter(payload => !isRow(payload))
    .map(payload => openEnvelope(unpack(payload).envelope, box))
    .filter(({ type }) => type === 'hello')
    .map(({ body }) => decodeBody(body) as { iss: string; nonce: string })
    .flatMap(({ iss, nonce }) => (iss === scene.first.gateway ? [nonce] : []))
}

/** What the first gateway refused to obey, by code, as `status` tells it; nothing while it restarts as it was told. */
async function refusals({ plain, first }: Scene): Promise<Map<string, number>> {
  const told = await plain.type('vitalgate', '--state', first.state, '--json', 'status')
  if (faultOf(told) === 'control.absent') return new Map()
  const { notices } = linesOf<Status>(told)[0]!
  const line = notices.find(one => one.startsWith('COMMAND_REFUSED')) ?? ''
  return new Map([...line.matchAll(/([a-z.-]+) (\d+)×/g)].map(([, code, n]) => [code!, Number(n)]))
}

/** Whether the first gateway's log tells that it carried a command out. */
const obeyed = (scene: Scene, intent: string): boolean =>
  readFileSync(scene.first.daemon.log, 'utf8')
    .split('\n')
    .some(line => line.includes(intent) && line.includes('command ended'))

/** Waits until a command was refused or obeyed; gives which. */
async function judged(scene: Scene, before: Map<string, number>, intent: string): Promise<string> {
  let codes: string[] = []
  await until('a judgement', patienceMs, async () => {
    if (obeyed(scene, intent)) return true
    codes = [...(await refusals(scene))]
      .filter(([code, n]) => n > (before.get(code) ?? 0))
      .map(([code]) => code)
    return codes.length > 0
  })
  return obeyed(scene, intent) ? 'obeyed' : `${codes.join(' ')}, not obeyed`
}

/** The line leads over a broker of the attacker's, who says a command to the first gateway, in its own session. */
async function command(scene: Scene, signer: (scene: Scene) => SigningKey, verb: string): Promise<string> {
  const { first } = scene
  const { id } = readServerKeys(scene.site.receiver)
  const rogue = await startRogueBroker(scene, payload => [payload])
  return redirected(scene, rogue, async () => {
    await welcomed(scene)
    const before = await refusals(scene)
    const intent = hex(randomBytes(16))
    const to = { id: first.gateway, box: readKeys(first.state).box }
    const nonce = noncesIn(scene, rogue.heard).at(-1)!
    const said = { nonce, intent, verb, args: {}, order: null }
    const { envelope } = signAndSeal('command', { id, key: signer(scene) }, to, said)
    rogue.say(waysOf(scene, first).down, envelope)
    const told = await judged(scene, before, intent)
    if (told === 'obeyed' && verb === 'restart') await scene.restart('first') // it ended, as it was told
    return told
  })
}

/** A genuine command is kept back by the broker, and handed over in a later session. */
async function replayed(scene: Scene): Promise<string> {
  const { first } = scene
  const { box } = readKeys(first.state)
  const kept: Uint8Array[] = []
  const keep = (payload: Uint8Array): boolean => {
    const isCommand = openEnvelope(payload, box).type === 'command'
    if (isCommand) kept.push(payload)
    return !isCommand
  }
  const isOurs = (payload: Uint8Array, from: { gateway: string }): boolean =>
    from.gateway === first.gateway ? keep(payload) : true
  const sent = await scene.type('command', 'send', first.gateway, 'identify', '--wait', '0s')
  const intent = (JSON.parse(sent.out) as { intent: string }).intent
  const rogue = await startRogueBroker(scene, payload => [payload], isOurs)
  return redirected(scene, rogue, async () => {
    await until('the command at the rogue', patienceMs, () => kept.length > 0)
    const old = kept[0]!
    // another session
    lead(scene, rogue.port)
    await welcomed(scene)
    const before = await refusals(scene)
    rogue.say(waysOf(scene, first).down, old)
    return judged(scene, before, intent)
  })
}

/** A reading of the stolen gateway, over a broker that was not told yet that it is revoked. */
async function revoked(scene: Scene): Promise<string> {
  const stolen = await stolenGateway(scene)
  const { gateway, key } = stolen
  const words = reading(scene, scene.first)
  return forge(scene, stolen, { ...words, key, body: { ...words.body, iss: gateway, kid: key.kid } })
}

const signature = piece('wire/message.ts', 'if (!isSignedBy(statement, expected.key))', 'if (false)')
const knownKey = piece('wire/message.ts', 'iss !== expected.iss || signer !== expected.key.kid', 'false')

const attacks: Attack[] = [
  {
    id: 'T45',
    attack: 'holds broker and server box key, signs a command under the command key’s name',
    expected: 'wire.bad-signature, not obeyed',
    undefended: 'obeyed',
    defence: [signature],
    programs: ['first'],
    act: scene => {
      const { command: true_ } = readServerKeys(scene.site.receiver)
      return command(scene, () => ({ ...ownKey(), kid: true_.kid }), 'identify')
    },
  },
  {
    id: 'T46',
    attack: 'holds the broker, keeps a genuine command and hands it over in a later session',
    expected: 'command.replayed, not obeyed',
    undefended: 'obeyed',
    defence: [
      piece(
        'daemon/commands-judge.ts',
        'if (sent === undefined) throw',
        'if (sent === undefined) return\n  if (sent === undefined) throw',
      ),
    ],
    programs: ['first'],
    act: replayed,
  },
  {
    id: 'T47a',
    attack: 'holds the receipt service: broker, box key and receipt key; signs a command with that',
    expected: 'wire.unknown-key, not obeyed',
    undefended: 'obeyed',
    defence: [knownKey, signature],
    programs: ['first'],
    act: scene => command(scene, () => readServerKeys(scene.site.receiver).receipt, 'identify'),
  },
  {
    id: 'T47b',
    attack: 'holds the command key as well, restarts a gateway without an operator’s order',
    expected: 'command.unordered, not obeyed',
    undefended: 'obeyed',
    defence: [piece('daemon/commands-judge.ts', 'if (verbs[verb].dangerous)', 'if (false)')],
    programs: ['first'],
    act: scene => command(scene, () => readServerKeys(scene.site.receiver).command, 'restart'),
  },
  {
    id: 'T51c',
    attack: 'holds the card of a gateway that was revoked, and a broker that lets him in',
    expected: 'REVOKED_KEY, no reading',
    undefended: 'accept',
    defence: [piece('receiver/verify.ts', 'if (revocation !== undefined) return', 'if (false) return')],
    programs: ['receiver'],
    act: revoked,
  },
]

export const commandHop: Hop = { hop: 'command', attacks }
