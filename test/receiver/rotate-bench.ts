import { systemClock } from '../../src/base/clock.ts'
import { makeCommander } from '../../src/receiver/command-dispatch.ts'
import { makeReceive } from '../../src/receiver/receive.ts'
import { newestEnrolment } from '../../src/receiver/registry-enrolments.ts'
import { type Certificates, makeCertificates } from '../../src/receiver/renew.ts'
import { checkRotation, rotate } from '../../src/receiver/rotate.ts'
import { verifyKey } from '../../src/wire/keys.ts'
import { openFrom } from '../../src/wire/message.ts'
import { topics } from '../../src/wire/topics.ts'
import { makeBox } from './box.ts'
import { epochOf, type Holder, time, unchained } from './fixture.ts'
import { silent } from './listen-fixture.ts'
import { now, registryBench } from './revoke-fixture.ts'

let epochs = 0

/** A registry on disk with an enrolled box that speaks, proposes new keys, and gets what goes down to it. */
export async function rotateBench() {
  const it = await registryBench()
  const { store, registry, signers } = it
  const clock = { ...systemClock, at: now, steady: 0, now: () => clock.at, mono: () => clock.steady }
  const failed: unknown[] = []
  const certificates: Certificates = makeCertificates({
    ...{ store, registry, clock, log: silent },
    authority: () => signers.authority,
    fail: error => void failed.push(error),
  })
  const commander = makeCommander(store, registry, silent, clock.mono, certificates)
  const receive = makeReceive({ store, trust: registry, clock, log: silent, commander })
  const box = await it.box()
  const first: Holder = { id: box.gateway, key: box.sign, box: box.box }
  const up = topics(registry.server.id, box.gateway).up
  const say = (message: { payload: Uint8Array }) => receive([{ topic: up, payload: message.payload }])

  /** An epoch of the box under these keys. */
  const epoch = (who = first) => {
    epochs += 1
    return epochOf(who, epochs.toString(16).padStart(16, '0'), registry.server)
  }

  /** The box proposes new keys, under those that it has. */
  async function propose(who = first, change: object = {}) {
    const next = await makeBox({ gateway: box.gateway, ...change })
    const chain = epoch(who)
    const [open, event] = [chain.open(), chain.event('keys-proposed', { request: JSON.parse(next.text) })]
    say(open.message)
    say(event.message)
    return { ...next, holder: { id: box.gateway, key: next.sign, box: next.box } }
  }

  /** The updates that follow a hello under these keys. */
  function hello(who = first, binding = 1) {
    epochs += 1
    const { message } = unchained(
      who,
      'hello',
      {
        nonce: epochs.toString(16).padStart(32, '0'),
        boot: 'b'.repeat(32),
        epochs: [],
        token: 0,
        software: '0.1.0',
        drivers: 'd'.repeat(64),
        clock: time(1000 + epochs),
        versions: { binding, serverEntry: 1, devices: 0, revocations: 0 },
      },
      registry.server,
    )
    return say(message).flatMap(({ payload }) => {
      const from = {
        iss: registry.server.id,
        key: verifyKey(registry.server.receipt.publicKey),
        aud: who.id,
        box: who.box,
      }
      const { type, body } = openFrom(payload, ['welcome', 'update'], from)
      return type === 'update' ? [body] : []
    })
  }

  return {
    ...it,
    clock,
    failed,
    certificates,
    box,
    /** The certificate of another box that is enrolled. */
    another: async (): Promise<string> => {
      const { gateway } = await it.box()
      return newestEnrolment(store.db, gateway)?.certificate ?? ''
    },
    first,
    epoch,
    say,
    propose,
    hello,
    /** Binds what the box has proposed, as the operator does. */
    rotate: async () => {
      const checked = await checkRotation(store, registry, box.gateway)
      return rotate(store, registry, checked, signers, { actor: 'anna', now })
    },
  }
}
