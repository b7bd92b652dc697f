import { until } from '../../../scripts/scenario/program.ts'
import { base32 } from '../../../src/base/bytes.ts'
import type { FlagLine } from '../../../src/receiver/flags.ts'
import { pack } from '../../../src/wire/envelope.ts'
import { boxSecret, ephemeral, seal24 } from '../../../src/wire/keys.ts'
import { encodeBody, signStatement } from '../../../src/wire/statement.ts'
import { rowsOf } from '../../way/forgotten.ts'
import { patienceMs } from '../../way/site.ts'
import { digest, join, plainOf } from '../../wire/forge.ts'
import type { Attack, Hop } from '../attack.ts'
import { linesOf } from '../build.ts'
import { namesOf, outcomeOf } from '../outcome.ts'
import type { Piece } from '../piece.ts'
import type { Scene } from '../scene.ts'
import {
  event,
  forge,
  ownKey,
  payloadOf,
  payloadOfText,
  placeOf,
  publish,
  reading,
  type Words,
} from '../thief.ts'

// Who is speaking, and of which place? Forged statements, past the broker, against the receiver's own checks.

const piece = (text: string, replacement: string, file = 'receiver/verify.ts'): Piece => ({
  file,
  text,
  replacement,
})

/** Publishes a payload in the first gateway's name, and gives what became of it. */
async function send(scene: Scene, words: Words, payload: Uint8Array): Promise<string> {
  const mark = scene.mark()
  await publish(scene, scene.first, payload)
  return outcomeOf(scene, mark, placeOf(words, scene.first.gateway))
}

/** An envelope of another version, its header bound as the receiver would bind it (WIRE 4.2). */
function ofVersion(version: number, { type, body, key, box }: Words): Uint8Array {
  const { signature } = signStatement(type, body, key)
  const once = ephemeral()
  const header = join(Uint8Array.of(0x56, 0x47, version, 0), Buffer.from(box.kid, 'hex'), once.publicKey)
  const nonce = digest('VG1 nonce', header, box.publicKey).subarray(0, 24)
  const plain = plainOf(type, encodeBody(body), signature)
  const envelope = Uint8Array.from(join(header, seal24(plain, nonce, boxSecret(once.secret, box.key))))
  return pack({ epoch: String(body.epoch), seq: Number(body.seq), envelope })
}

/** The thief of a card signs the very place that the box itself fills next. */
async function forkTheChain(scene: Scene): Promise<string> {
  const { first, site } = scene
  const { epoch, seq, head } = rowsOf(site, first).at(-1)!
  const words = reading(scene, first, { epoch, seq: seq + 1, prev: Buffer.from(head).toString('hex') })
  const mark = scene.mark()
  await publish(scene, first, payloadOf(words))
  await scene.arrived(first, scene.weigh(first))
  const outcome = await outcomeOf(scene, mark, placeOf(words, first.gateway))
  // the remedy: what the box says in a new epoch is believed again
  await scene.restart('first')
  return outcome
}

/** What is known of malformed messages of the second gateway: those kept, and those that were only counted. */
function malformedOf({ second }: Scene, flags: readonly FlagLine[]): { kept: number; more: number } {
  const ours = flags.filter(({ flag, gateway }) => flag === 'MALFORMED' && gateway === second.gateway)
  return { kept: ours.length, more: ours.reduce((sum, { more = 0 }) => sum + more, 0) }
}

const attacks: Attack[] = [
  {
    id: 'T33a',
    attack: 'holds a gateway’s certificate, signs a reading with a key of his own',
    expected: 'UNKNOWN_KEY, no reading',
    undefended: 'accept',
    // one defence in two steps: only the bound key's signature shows who speaks
    defence: [
      piece('if (kid === enrolled.verifyKey.kid) return', 'if (true) return'),
      piece('isSignedBy(statement, key) ?', 'true ?'),
    ],
    programs: ['receiver'],
    act: scene => {
      const key = ownKey()
      const words = reading(scene, scene.first)
      return forge(scene, scene.first, { ...words, key, body: { ...words.body, kid: key.kid } })
    },
  },
  {
    id: 'T33b',
    attack: 'holds a gateway’s certificate, names its bound key and signs with his own',
    expected: 'BAD_SIG, no reading',
    undefended: 'accept',
    defence: [piece('isSignedBy(statement, key) ?', 'true ?')],
    programs: ['receiver'],
    act: scene => forge(scene, scene.first, { ...reading(scene, scene.first), key: ownKey() }),
  },
  {
    id: 'T32b',
    attack: 'holds the CA’s key, puts another gateway’s genuine reading on this one’s topic',
    expected: 'TOPIC_MISMATCH, no reading',
    undefended: 'accept',
    // without it: whoever is named inside is believed, wherever it is said
    defence: [
      piece(
        '({ parties, gateway }: Known): Found =>\n  parties.iss === gateway ? {} :',
        '({ parties, gateway }: Known, trust: Trust): Found =>\n  true ? { enrolled: trust.gateway(parties.iss) } :',
      ),
    ],
    programs: ['receiver'],
    act: scene => forge(scene, scene.first, reading(scene, scene.second)),
  },
  {
    id: 'T34',
    attack: 'is another server, and seals to this one what the gateway signed for that',
    expected: 'WRONG_AUDIENCE, no reading',
    undefended: 'accept',
    defence: [piece('parties.aud === server.id && parties.akid === box.kid\n    ?', 'true\n    ?')],
    programs: ['receiver'],
    act: scene => forge(scene, scene.first, reading(scene, scene.first, { aud: base32(new Uint8Array(16)) })),
  },
  {
    id: 'T37',
    attack: 'holds a stolen card, speaks another version of the envelope',
    expected: 'MALFORMED, no reading',
    undefended: 'accept',
    defence: [piece('!magic.every((byte, at) => envelope[at] === byte)', 'false', 'wire/envelope.ts')],
    programs: ['receiver'],
    act: scene => {
      const words = reading(scene, scene.first)
      return send(scene, words, ofVersion(2, words))
    },
  },
  {
    id: 'T36',
    attack: 'holds a stolen card, sends up what only a server says',
    expected: 'WRONG_TYPE, no reading',
    // further in, a program fails over what it never expected
    undefended: 'UNREADABLE, no reading',
    defence: [piece('upTypes.includes(statement.type) ?', 'true ?')],
    programs: ['receiver'],
    act: scene => {
      const { body, ...words } = reading(scene, scene.first)
      const { iss, kid, aud, akid, epoch, seq } = body
      const receipt = { iss, kid, aud, akid, epoch, seq, head: '0'.repeat(64), holes: [], time: 1 }
      return forge(scene, scene.first, { ...words, type: 'receipt', body: receipt })
    },
  },
  {
    id: 'T35a',
    attack: 'holds a stolen card, signs a body with two weights, for two parsers',
    expected: 'MALFORMED, no reading',
    undefended: 'accept',
    defence: [piece('if (JSON.stringify(value) !== text)', 'if (false)', 'wire/statement.ts')],
    programs: ['receiver'],
    act: scene => {
      const words = reading(scene, scene.first)
      const twice = '"values":{"body-weight":{"n":6000,"s":2,"u":"kg"}},"values":'
      return send(
        scene,
        words,
        payloadOfText(
          words,
          JSON.stringify(words.body).replace('"values":', () => twice),
        ),
      )
    },
  },
  {
    id: 'T35b',
    attack: 'holds a stolen card, begins an epoch with a reading instead of its opening',
    expected: 'MALFORMED, no reading',
    undefended: 'accept',
    defence: [
      piece("if ((seq === 1) !== (said.type === 'epoch-open'))", 'if (seq === 1) return {}\n  if (false)'),
    ],
    programs: ['receiver'],
    act: scene => forge(scene, scene.first, reading(scene, scene.first, { seq: 1 })),
  },
  {
    id: 'T51',
    attack: 'holds a stolen card, signs a reading for the place that the box fills next',
    expected: 'FORK, flag',
    undefended: 'accept',
    defence: [
      piece(
        'if (rivals > 0) markForked(store, { gateway, epoch, seq })\n    if (rivals === 1) {',
        'if (false) {',
        'receiver/receive.ts',
      ),
    ],
    programs: ['receiver'],
    act: forkTheChain,
  },
  {
    id: 'T21b',
    attack: 'holds a stolen card, tells of a device whose name speaks to the terminal and to the log',
    expected: 'MALFORMED, 0 proposals',
    undefended: '1 proposals, named as he wrote it',
    defence: [piece('.regex(/^[a-z0-9][a-z0-9._-]{0,63}$/', '.regex(/^[^]{1,64}$/', 'wire/members.ts')],
    programs: ['receiver'],
    act: async scene => {
      const name = `scale\u001b[2J\nall is well ${scene.mark()}`
      const detail = {
        device: name,
        driver: 'and-line',
        station: 'bench',
        link: 'serial',
        options: '0'.repeat(64),
      }
      const mark = scene.mark()
      await publish(
        scene,
        scene.first,
        payloadOf(event(scene, scene.first, { event: 'device-proposed', detail })),
      )
      const proposals = async () =>
        linesOf<{ device: string }>(
          await scene.type('registry', 'devices', 'list', scene.first.gateway),
        ).filter(one => one.device.includes('all is well'))
      await until('an outcome', patienceMs, async () => scene.mark() > mark || (await proposals()).length > 0)
      const flags = namesOf(await scene.flagsSince(mark))
      const [proposal, ...more] = await proposals()
      if (proposal === undefined) return `${flags}, 0 proposals`
      return `${1 + more.length} proposals, named ${proposal.device === name ? 'as he wrote it' : 'otherwise'}`
    },
  },
  {
    id: 'T40a',
    attack: 'holds a gateway’s certificate, floods the receiver with 150 pieces of garbage',
    expected: '100 samples kept, 50 only counted',
    undefended: '150 samples kept, 0 only counted',
    defence: [piece('takenOf(store, name, gateway, at) >= limit', 'false', 'receiver/suspicion.ts')],
    programs: ['receiver'],
    act: async scene => {
      const { second, site } = scene
      const garbage = Array.from({ length: 150 }, (_, at) =>
        Uint8Array.from(Buffer.from(`garbage ${at} ${Date.now()}`)),
      )
      const before = malformedOf(scene, await scene.flagsSince(0))
      await publish(scene, second, ...garbage)
      const counted = (): number =>
        site.store.get<{ n: number }>(
          "SELECT coalesce(sum(n), 0) AS n FROM counters WHERE name = 'MALFORMED' AND gateway = ?",
          second.gateway,
        )!.n
      await until('all of it counted', patienceMs, () => counted() >= before.kept + before.more + 150)
      const after = malformedOf(scene, await scene.flagsSince(0))
      return `${after.kept - before.kept} samples kept, ${after.more - before.more} only counted`
    },
  },
]

export const speakersHop: Hop = { hop: 'speakers', attacks }
