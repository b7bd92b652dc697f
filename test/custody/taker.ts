import { readFileSync, writeSync } from 'node:fs'
import { openCustody } from '../../src/daemon/custody.ts'
import { removed, weight } from './scene.ts'

// A daemon in small, to be killed: takes without end, tells each place on stdout, and with `settle` gives
// itself receipts and welcomes for what it has told, so that rows are deleted as well.
const [path, settle] = process.argv.slice(2)
const plain = JSON.parse(readFileSync(path!, 'utf8'))
const custody = await openCustody({
  ...plain,
  seed: Uint8Array.from(Buffer.from(plain.seed, 'hex')),
  serverBox: Uint8Array.from(Buffer.from(plain.serverBox, 'hex')),
})
const tell = (word: string, value: object): number => writeSync(1, `${word} ${JSON.stringify(value)}\n`)
const parties = { iss: plain.server, kid: '00'.repeat(8), aud: plain.gateway, akid: '00'.repeat(8) }
const proof = { type: 'receipt', body: new Uint8Array(8), signature: new Uint8Array(64) }
let time = 1_780_000_000_000

const lane = async (lane: number): Promise<never> => {
  for (let n = 0; ; n++) {
    const place = await custody.take(n % 10 === 9 ? removed(n) : weight(n * 8 + lane))
    tell('taken', place)
    if (settle !== 'settle' || lane !== 0 || n % 5 !== 4) continue
    const answer = { epoch: place.epoch, seq: place.seq, head: place.head, holes: [] }
    time += 1000
    await custody.receipt({ ...parties, ...answer, time }, proof)
    tell('receipted', place)
    await custody.welcome({ ...parties, epochs: [answer], time } as never, proof)
  }
}
await Promise.all(Array.from({ length: 8 }, (_, n) => lane(n)))
