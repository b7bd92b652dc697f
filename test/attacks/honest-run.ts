import { listFlags } from '../../src/receiver/flags.ts'
import { counted } from '../../src/receiver/store.ts'
import type { Message } from '../../src/receiver/verify.ts'
import type { Revocation } from '../../src/wire/registry.ts'
import { bench, server } from '../receiver/fixture.ts'
import { seededRandom } from '../way/random.ts'
import { disordered, honestBox } from './honest.ts'

/*
 * Gives a receiver at least so many honest statements, through its own way of receiving, with real keys, on a
 * real database. Prints what came of it. Argument: how many. VITALGATE_SEED repeats the random days.
 */
const wanted = Number(process.argv[2])
const { seed, next: random } = seededRandom()
const below = (limit: number): number => Math.floor(random() * limit)
const where = bench()
const revoked = new Map<string, Revocation>()
const revoke = (kid: string): void => {
  const number = revoked.size + 1
  const about = { server: server.id, number, before: null, what: 'gateway', id: server.id, key: kid } as const
  revoked.set(kid, { ...about, kid: '0'.repeat(16), tls: '1'.repeat(64), since: 0, why: 'lost' })
}
where.trust.revoked = kid => revoked.get(kid)
// each box has a binding of its own version
where.trust.versions = id => ({
  binding: where.gateways.get(id)?.version ?? 0,
  serverEntry: 1,
  devices: 1,
  revocations: revoked.size,
})
const boxes = Array.from({ length: 8 }, () => honestBox(where, random, revoke))
const sum = { seed, said: 0, readings: 0, starts: 0, receipts: 0 }
while (sum.said < wanted) {
  // several boxes at a time, each between two starts of its own
  const lives = boxes.filter(() => random() < 0.6).map(box => box.life(2 + below(300)))
  const longest = Math.max(0, ...lives.map(({ messages }) => messages.length))
  const messages: Message[] = []
  for (let at = 0; at < longest; at++) messages.push(...lives.flatMap(life => life.messages[at] ?? []))
  sum.starts += lives.length
  sum.said += messages.length
  sum.readings += lives.reduce((all, life) => all + life.readings, 0)
  const heard = disordered(messages, 64, random)
  while (heard.length > 0) sum.receipts += where.receive(heard.splice(0, 1 + below(256))).length
}
const { store } = where
const rows = (sql: string): number => store.get<{ n: number }>(sql)!.n
const found = {
  flags: listFlags(store, {}),
  accepted: rows("SELECT count(*) AS n FROM readings WHERE verdict = 'accept'"),
  kept: rows('SELECT count(*) AS n FROM chains'),
  unconnected: rows('SELECT count(*) AS n FROM chains WHERE connected = 0'),
  repeats: counted(store, 'DUPLICATE'),
  unmatched: counted(store, 'READY_UNMATCHED'),
  enrolments: boxes.reduce((all, box) => all + box.enrolments(), 0),
}
where.end()
process.stdout.write(`${JSON.stringify({ ...sum, ...found })}\n`)
