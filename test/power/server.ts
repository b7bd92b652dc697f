import { openSync, writeSync } from 'node:fs'
import { makeLog } from '../../src/base/log.ts'
import { makeReceive } from '../../src/receiver/receive.ts'
import { openStore } from '../../src/receiver/store.ts'
import { epochOf, gateway, pressure, receipts, registry, reviewsIn, standing } from '../receiver/fixture.ts'
import { seededRandom } from '../way/random.ts'

// A receiver in small, to be cut off: it takes what a gateway says in batches, and tells what it receipts.
const [database = '', tellFile = '', seed = '0', life = '1'] = process.argv.slice(2)
const random = seededRandom(Number(seed))
const tellTo = openSync(tellFile, 'a')
const store = openStore(database)
const known = registry()
known.trust.reviews = reviewsIn(store)
const log = makeLog('error', { write: line => void process.stderr.write(line) })
const receive = makeReceive({ store, trust: known.trust, clock: standing(), log })

/** What is receipted is told when the receipt would go down: one line for each. */
const hand = (batch: Parameters<typeof receive>[0]): void => {
  for (const { epoch, seq, head, holes } of receipts(receive(batch))) {
    writeSync(tellTo, `${JSON.stringify({ epoch, seq, head, holes })}\n`)
  }
}

for (let n = 0; n < 3; n++) {
  const epoch = epochOf(gateway, `${life}${n}`.padEnd(16, 'e'))
  hand([epoch.open().message])
  for (let batch = 0; batch < 8; batch++) {
    const said = Array.from({ length: random.between(1, 6) }, () =>
      random.percent(80)
        ? epoch.reading({
            ...pressure,
            time: {
              wall: 1_783_760_700_000,
              source: 'ntp',
              uncertainty: 20,
              boot: 'b'.repeat(32),
              mono: 1000 + batch,
            },
          })
        : epoch.event('device-removed', { device: 'cuff-2' }),
    )
    // a row comes before the one that it follows, and once more
    if (random.percent(30)) said.reverse()
    hand(said.map(one => one.message))
    if (random.percent(30)) hand([said[0]!.message])
  }
}
// the first life is cut off as it stands, the second closes
if (life === '2') store.close()
process.exit(0)
