import { rmSync } from 'node:fs'
import Database from 'better-sqlite3'
import { base32 } from '../../src/base/bytes.ts'
import { systemClock } from '../../src/base/clock.ts'
import { acceptDevice } from '../../src/receiver/devices.ts'
import { reviewFlag } from '../../src/receiver/flags.ts'
import { releaseDevice } from '../../src/receiver/readings.ts'
import { makeReceive } from '../../src/receiver/receive.ts'
import { openRegistry } from '../../src/receiver/registry.ts'
import { keepHead } from '../../src/receiver/registry-head.ts'
import { insertStatement } from '../../src/receiver/registry-rows.ts'
import { verifyRegistryStore } from '../../src/receiver/registry-verify.ts'
import { openReviewer } from '../../src/receiver/reviews.ts'
import { paths } from '../../src/receiver/state.ts'
import { openStore } from '../../src/receiver/store.ts'
import { makePair, signingKey } from '../../src/wire/keys.ts'
import { signRegistry } from '../../src/wire/registry.ts'
import { topics } from '../../src/wire/topics.ts'
import { epochOf } from './fixture.ts'
import { silent } from './listen-fixture.ts'
import { copyOf, now, registryBench } from './revoke-fixture.ts'

/** A gateway id that nobody has. */
export const nobody = base32(new Uint8Array(16).fill(9))

/** A registry with something of everything: enrolled, proposed, accepted, released, removed, reviewed, revoked. */
export async function fullRegistry() {
  const it = await registryBench()
  const box = await it.box()
  const { gateway } = box
  const lost = (await it.box()).gateway
  const { store, registry, state } = it
  const receive = makeReceive({ store, trust: registry, clock: systemClock, log: silent })
  const epoch = epochOf({ id: gateway, key: box.sign, box: box.box }, 'e1e1e1e1e1e1e1e1', registry.server)
  const say = ({ message }: { message: { payload: Uint8Array } }) =>
    receive([{ topic: topics(registry.server.id, gateway).up, payload: message.payload }])
  const propose = (device: string) => {
    const facts = {
      device,
      driver: 'omron-hbp9030',
      station: 'room-12',
      link: 'serial',
      options: 'a'.repeat(64),
    }
    say(epoch.event('device-proposed', facts))
  }
  say(epoch.open())
  propose('cuff-1')
  propose('cuff-2')
  say(epoch.reading())
  for (const device of ['cuff-1', 'cuff-2']) {
    acceptDevice(state, store, registry, { gateway, device, actor: 'anna', now })
  }
  const reviewer = openReviewer(state, registry)
  releaseDevice(store, reviewer, gateway, 'cuff-1', 'anna', now)
  say(epoch.event('device-removed', { device: 'cuff-2' }))
  reviewFlag(store, registry.reviews, reviewer, 1, { by: 'bert', comment: 'seen', at: now })
  it.revoke(lost)
  keepHead(state, store.db)
  store.db.pragma('wal_checkpoint(TRUNCATE)')
  const copies: string[] = []
  const copied = (): string => {
    const copy = copyOf(state)
    copies.push(copy)
    return copy
  }

  /** The problems of a copy of the registry in which somebody with the database did something. */
  async function after(insider: (db: Database.Database) => void): Promise<string[]> {
    const copy = copied()
    const raw = new Database(paths(copy).database)
    for (const table of ['statements', 'enrolments', 'waiting', 'registry_log']) {
      raw.exec(`DROP TRIGGER ${table}_stay; DROP TRIGGER ${table}_remain`)
    }
    raw.exec('DROP TRIGGER flag_acts_stay; DROP TRIGGER flag_acts_keep')
    insider(raw)
    raw.close()
    const store = openStore(paths(copy).database)
    try {
      const { problems } = await verifyRegistryStore(copy, store, openRegistry(copy, store.db))
      return problems.map(({ place, problem }) => `${place}: ${problem}`)
    } finally {
      store.close()
    }
  }

  /** Enters a statement that a stranger signed, as an insider does who knows the tables. */
  const inserted = (what: string) => (db: Database.Database) => {
    const stranger = signingKey(makePair('ed25519').secret)
    const server = it.registry.server.id
    const [id, keys] = [nobody, it.registry.entry().keys]
    const statements = {
      binding: () =>
        signRegistry(
          'binding',
          {
            gateway: id,
            server,
            version: 1,
            site: 'elsewhere',
            keys: { sign: keys.receipt, box: keys.box, tls: 'ab'.repeat(32) },
            since: now,
          },
          stranger,
        ),
      'device-list': () =>
        signRegistry(
          'device-list',
          { gateway, version: 3, before: it.registry.devices(gateway).hash, devices: [] },
          stranger,
        ),
      revocation: () =>
        it.sign({ number: 2, before: it.registry.revocationsEnd().hash, id: gateway }, stranger),
    }
    const review = () =>
      signRegistry(
        'review',
        {
          ...{ operator: 'operator', server, flag: 1, version: 3, raised: 'ab'.repeat(32) },
          ...{ act: 'released', by: 'anna', words: 'all well', token: 0, at: now },
        },
        stranger,
      )
    const statement = what === 'review' ? review() : statements[what as keyof typeof statements]()
    const [subject, version] = {
      binding: [id, 1],
      'device-list': [gateway, 3],
      revocation: [server, 2],
      review: ['flag 1', 3],
    }[what] as [string, number]
    insertStatement(db, { subject, version, statement, at: now, actor: 'insider' })
  }

  return {
    ...it,
    gateway,
    lost,
    copied,
    after,
    inserted,
    end: () => {
      it.end()
      for (const copy of copies) rmSync(copy, { recursive: true, force: true })
    },
  }
}
