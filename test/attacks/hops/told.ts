import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../../../scripts/scenario/program.ts'
import type { FlagLine } from '../../../src/receiver/flags.ts'
import { patienceMs } from '../../way/site.ts'
import type { Attack, Hop } from '../attack.ts'
import { linesOf } from '../build.ts'
import type { Piece } from '../piece.ts'
import type { Scene } from '../scene.ts'
import { stolenGateway } from '../stolen.ts'
import { ownKey, payloadOf, publish, reading } from '../thief.ts'

// From a forged word to an operator who is told of it, through a program of the operator's own.

/** The longest that it may take. */
const limitMs = 60_000

const fileOf = ({ site }: Scene): string => join(site.folder, 'told')

/** The operator's program: notes when it was started, and the alert. */
const program = '#!/bin/sh\n{ date +%s%3N; cat; } >>"$1"\n'

async function prepare(scene: Scene): Promise<void> {
  const tell = join(scene.site.folder, 'tell-operators')
  writeFileSync(tell, program, { mode: 0o755 })
  writeFileSync(fileOf(scene), '')
  scene.receiverWords.push('--on-flag', `${tell} ${fileOf(scene)}`)
  await scene.restart('receiver')
}

interface Told {
  /** When the operator's program was started. */
  at: number
  kind: string
  flagId?: number
}

function toldOf(scene: Scene): Told[] {
  const lines = readFileSync(fileOf(scene), 'utf8').split('\n')
  return lines.flatMap((line, at) =>
    line.startsWith('{') ? [{ ...(JSON.parse(line) as Told), at: Number(lines[at - 1]) }] : [],
  )
}

/** How far the receiver has looked through its flags for what operators should know. */
const lookedUpTo = ({ site }: Scene): number =>
  site.store.get<{ value: number }>("SELECT value FROM facts WHERE name = 'alerts flags'")!.value

/** Somebody speaks, and is flagged; gives by which flag the operator's program was started, and notes how soon. */
async function told(scene: Scene, speak: () => Promise<void>): Promise<string> {
  const mark = scene.mark()
  const spoke = Date.now()
  await speak()
  await until('a flag', patienceMs, () => scene.mark() > mark)
  const [flag] = await scene.flagsSince(mark)
  await until('a look at it', patienceMs, () => lookedUpTo(scene) >= flag!.id)
  // alerts arrive in their order: this one comes after that of the flag, if there is one
  linesOf(await scene.type('alerts', 'test'))
  const alert = toldOf(scene).find(one => one.kind === 'flag' && one.flagId === flag!.id)
  if (alert === undefined) return `${flag!.flag}, nobody is told`
  const tookMs = alert.at - spoke
  scene.figures.push(
    `${(tookMs / 1000).toFixed(1)} s from the speaking to the operator's command (${flag!.flag}; at most 60 s)`,
  )
  return tookMs <= limitMs ? `${flag!.flag}, the operator is told` : `${flag!.flag}, told after ${tookMs} ms`
}

/** Somebody's false word, signed with a key of his own, in the first gateway's name. */
function speakFalsely(scene: Scene): Promise<void> {
  const key = ownKey()
  const words = reading(scene, scene.first)
  const forged = payloadOf({ ...words, key, body: { ...words.body, kid: key.kid } })
  return publish(scene, scene.first, forged)
}

/** Writes past the program that a person has looked at a flag; gives how the flag is listed then. */
async function reviewed(scene: Scene): Promise<string> {
  const { site, build } = scene
  const mark = scene.mark()
  await speakFalsely(scene)
  await until('a flag', patienceMs, () => scene.mark() > mark)
  const [flag] = await scene.flagsSince(mark)
  site.store.run(
    `INSERT INTO flag_acts (act, about, flag, gateway, at, actor, detail) VALUES ('reviewed', ?, ?, ?, ?, ?, ?)`,
    ...[flag!.id, flag!.flag, flag!.gateway, Date.now(), 'A. Jones', 'box was replaced today'],
  )
  const words = ['--state', site.receiver, '--json', 'flags', 'list', '--limit', '1000']
  const lines = linesOf<FlagLine>(await build.type('vitalgate-receiver', ...words))
  const { state, by, unsigned } = lines.find(one => one.id === flag!.id)!
  return by === undefined ? `${state}, ${unsigned} act that nobody signed` : `${state} by ${by}`
}

const watched: Piece[] = [
  {
    file: 'receiver/watch-flags.ts',
    text: 'for (const row of found) addAlert(',
    replacement: 'for (const row of []) addAlert(',
  },
]

const attacks: Attack[] = [
  {
    id: 'T33f',
    attack: 'holds a gateway’s certificate, signs with a key of his own, and hopes that nobody looks',
    expected: 'UNKNOWN_KEY, the operator is told',
    undefended: 'UNKNOWN_KEY, nobody is told',
    defence: watched,
    programs: ['receiver'],
    act: scene => told(scene, () => speakFalsely(scene)),
  },
  {
    id: 'T51d',
    attack: 'holds the card of a gateway that was revoked, and hopes that nobody looks',
    expected: 'REVOKED_KEY, the operator is told',
    undefended: 'REVOKED_KEY, nobody is told',
    defence: watched,
    programs: ['receiver'],
    act: async scene => {
      const stolen = await stolenGateway(scene)
      const { gateway, key } = stolen
      return told(scene, () => {
        const words = reading(scene, scene.first)
        return publish(
          scene,
          stolen,
          payloadOf({ ...words, key, body: { ...words.body, iss: gateway, kid: key.kid } }),
        )
      })
    },
  },
  {
    id: 'T55',
    attack: 'is an insider with the database, notes that A. Jones has looked at the flag of a false reading',
    expected: 'open, 1 act that nobody signed',
    undefended: 'reviewed by A. Jones',
    defence: [
      {
        file: 'receiver/flags.ts',
        text: 'acts.findLast(one => one.signed !== null)',
        replacement: 'acts.at(-1)',
      },
    ],
    programs: [],
    act: reviewed,
  },
]

export const toldHop: Hop = { hop: 'told', attacks, prepare }
