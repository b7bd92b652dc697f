import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Commander, makeCommander } from '../../src/receiver/command-dispatch.ts'
import { commandLine, readIntent, storeIntent } from '../../src/receiver/commands.ts'
import type { Outgoing } from '../../src/receiver/receipts.ts'
import { makeReceive, type Receive } from '../../src/receiver/receive.ts'
import { openRegistry } from '../../src/receiver/registry.ts'
import { paths } from '../../src/receiver/state.ts'
import { openStore } from '../../src/receiver/store.ts'
import { headZero, nextHead } from '../../src/wire/chain.ts'
import { noEpoch, open, pack } from '../../src/wire/envelope.ts'
import { boxPublic, verifyKey } from '../../src/wire/keys.ts'
import { openFrom, type SealedType, signAndSeal } from '../../src/wire/message.ts'
import type { CommandBody } from '../../src/wire/session.ts'
import { seenHash } from '../../src/wire/session.ts'
import { topics } from '../../src/wire/topics.ts'
import type { VerbName } from '../../src/wire/verbs.ts'
import { gateway, standing, time } from './fixture.ts'
import { enrolled, silent } from './listen-fixture.ts'

/** A real registry and store with one gateway that is played by its keys; workers with a steady clock of ours. */
export async function commandBench() {
  const state = mkdtempSync(join(tmpdir(), 'vitalgate-commands-'))
  await enrolled(state)
  const store = openStore(paths(state).database)
  const registry = openRegistry(state, store.db)
  const clock = standing()
  const steady = { at: 0 }
  const open_: (() => void)[] = [() => store.close()]
  let said = 0

  /** A worker of the same server: its own connection to the database, its own memory of sessions. */
  const worker = (): { receive: Receive; commander: Commander } => {
    const on = openStore(paths(state).database)
    open_.push(() => on.close())
    const trust = openRegistry(state, on.db)
    const commander = makeCommander(on, trust, silent, () => steady.at)
    return { receive: makeReceive({ store: on, trust, clock, log: silent, commander }), commander }
  }

  const up = (type: SealedType, members: object, place = { epoch: noEpoch, seq: 0 }) => {
    const { id, box } = registry.server
    const to = { id, box: boxPublic(box.publicKey) }
    const sealed = signAndSeal(type, { id: gateway.id, key: gateway.key }, to, members)
    const payload = pack({ ...place, envelope: sealed.envelope })
    return { ...sealed, message: { topic: topics(id, gateway.id).up, payload } }
  }
  const parties = (key: Uint8Array) => ({
    ...{ iss: registry.server.id, key: verifyKey(key), aud: gateway.id, box: gateway.box },
  })

  /** What is said of commands by a gateway in an epoch of its own, as its second row. */
  const chained = (on: Receive, type: 'result' | 'event', members: object) => {
    const epoch = (++said).toString(16).padStart(16, '0')
    const zero = headZero(epoch, { gateway: gateway.id, server: registry.server.id, kid: gateway.key.kid })
    const opening = { before: null, why: 'start', software: '0.1.0' }
    const first = up('epoch-open', { epoch, seq: 1, prev: zero, time: time(), ...opening }, { epoch, seq: 1 })
    const prev = nextHead(zero, first.envelope)
    const second = up(type, { epoch, seq: 2, prev, time: time(), ...members }, { epoch, seq: 2 })
    return on([first.message, second.message])
  }

  return {
    ...{ state, store, registry, clock, steady, worker, chained },
    /** A hello; gives its nonce, what it was answered, the message itself and the ready that belongs to it. */
    hello: (on: Receive, members: object = {}) => {
      const nonce = (++said).toString(16).padStart(32, '0')
      const asked = up('hello', {
        ...{ nonce, boot: 'b'.repeat(32), epochs: [], token: 0, software: '0.1.0', drivers: 'd'.repeat(64) },
        ...{ clock: time(), versions: { binding: 1, serverEntry: 1, devices: 0, revocations: 0 } },
        ...members,
      })
      const [answer] = on([asked.message])
      const { body, statement } = openFrom(
        answer!.payload,
        ['welcome'],
        parties(registry.server.receipt.publicKey),
      )
      const { serverNonce, token } = body
      const ready = up('ready', { serverNonce, token, seen: seenHash(asked.statement, statement) })
      return { nonce, body, again: asked.message, ready: ready.message }
    },
    want: (verb: VerbName = 'ping') =>
      storeIntent(state, store, registry, {
        ...{ gateway: gateway.id, verb, args: {}, actor: 'anne', now: clock.at },
      }),
    stateOf: (intent: string) => commandLine(readIntent(store, intent)!, clock.at).state,
    refused: (on: Receive, intent: string | null, why: string, count = 1) =>
      chained(on, 'event', { event: 'command-refused', detail: { why, intent, count } }),
    /** The commands among what goes down, verified as the gateway does. */
    commands: (out: readonly Outgoing[]): CommandBody[] =>
      out
        .filter(one => open(one.payload, gateway.box).type === 'command')
        .map(one => openFrom(one.payload, ['command'], parties(registry.server.command.publicKey)).body),
    end: () => {
      for (const close of open_) close()
      rmSync(state, { recursive: true })
    },
  }
}

export type CommandBench = Awaited<ReturnType<typeof commandBench>>
