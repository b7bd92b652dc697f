import type { Piece } from '../attacks/piece.ts'
import type { Invariant } from '../history/check.ts'
import type { FaultKind } from './faults.ts'

/** A product with one promise broken, what must go wrong for it to show, and what the checker then names. */
export interface Mutation {
  name: string
  pieces: readonly Piece[]
  kinds: readonly FaultKind[]
  /** One of these at least. */
  shows: readonly Invariant[]
}

export const mutations: readonly Mutation[] = [
  {
    name: 'a row is deleted as soon as it is handed to the broker, whose PUBACK proves nothing',
    pieces: [
      {
        file: 'daemon/custody-holder.ts',
        text: 'return sound.map(({ id, epoch, seq, envelope }) =>',
        replacement: `for (const { id, epoch } of sound) {
      outbox.db.prepare('DELETE FROM row WHERE id = ?').run(id)
      epochs.count(epochs.named(epoch)!.id, { queued: -1 })
    }
    return sound.map(({ id, epoch, seq, envelope }) =>`,
      },
    ],
    kinds: ['weather', 'swallow-up', 'crash'],
    shows: ['I1', 'I2', 'I5'],
  },
  {
    name: 'a receipt’s head is not compared with the gateway’s own',
    pieces: [
      {
        file: 'daemon/custody-settle.ts',
        text: 'settling.headsAt(epoch, seq).includes(head)',
        replacement: 'settling.headsAt(epoch, seq).includes(head) || head !== ""',
      },
    ],
    kinds: ['foreign-head', 'swallow-up'],
    shows: ['I1', 'I2', 'I5'],
  },
  {
    name: 'a receipt settles the newest epoch, whichever it names',
    pieces: [
      {
        file: 'daemon/custody-settle.ts',
        text: `const epoch = ours(body.epoch)
      if (epoch === undefined || !isOurHead(epoch, body)) {`,
        replacement: `const named = epochs.newest()!
      const epoch = { ...named, seq: Math.max(named.seq, body.seq) }
      if (body.seq === 0) {`,
      },
    ],
    kinds: ['crash', 'replay', 'weather'],
    shows: ['I1', 'I2', 'I5'],
  },
  {
    name: 'rows are forgotten that nobody receipted',
    pieces: [
      {
        file: 'outbox/settle.ts',
        text: "WHERE id BETWEEN ? AND ? AND state = 'receipted' AND receipted <= ? ORDER BY id LIMIT ?",
        replacement: 'WHERE id BETWEEN ? AND ? AND coalesce(receipted, 0) <= ? ORDER BY id LIMIT ?',
      },
      {
        file: 'outbox/settle.ts',
        text: 'for (const [from, to] of solid({ seq, holes })) {\n        const rows',
        replacement: 'for (const [from, to] of solid({ seq: seq + 1, holes })) {\n        const rows',
      },
    ],
    kinds: ['swallow-up', 'cut', 'broker-down'],
    shows: ['I1', 'I2', 'I5'],
  },
  {
    name: 'rows are forgotten at once, without the time in which a backup may be restored',
    pieces: [
      {
        file: 'daemon/custody-settle.ts',
        text: 'settling.forget(epoch, answer, time - graceMs)',
        replacement: 'settling.forget(epoch, answer, time)',
      },
    ],
    kinds: ['restore', 'cut', 'crash'],
    shows: ['I1', 'I2'],
  },
  {
    name: 'what a restored server lacks is not sent again',
    pieces: [
      {
        file: 'outbox/settle.ts',
        text: 'const ranges: Holes = above ? [...holes, [seq + 1, epoch.seq]] : holes',
        replacement: 'const ranges: Holes = above ? holes : holes',
      },
    ],
    kinds: ['restore', 'cut'],
    shows: ['I1', 'I4'],
  },
  {
    name: 'the session token may fall',
    pieces: [{ file: 'outbox/outbox.ts', text: 'SET value = max(value, ?)', replacement: 'SET value = ?' }],
    kinds: ['old-token', 'cut'],
    shows: ['I6'],
  },
  {
    name: 'a number is used again after its row was forgotten',
    pieces: [
      {
        file: 'daemon/custody-journal.ts',
        text: 'const before = end ?? epochs.get(memory.current)!',
        replacement: `const stored = end ?? epochs.get(memory.current)!
    const left = outbox.db.prepare('SELECT count(*) FROM row WHERE epoch = ?').pluck().get(stored.id) as number
    const before = { ...stored, seq: stored.seq - (left === 0 && stored.seq > 2 ? 1 : 0) }`,
      },
      {
        file: 'daemon/custody-settle.ts',
        text: 'settling.forget(epoch, answer, time - graceMs)',
        replacement: 'settling.forget(epoch, answer, time)',
      },
    ],
    kinds: ['cut', 'swallow-down'],
    shows: ['I1', 'I3', 'I4', 'I7'],
  },
  {
    name: 'a command that was begun is begun again',
    pieces: [
      {
        file: 'daemon/custody-intents.ts',
        text: "if (known.ended === undefined) return 'open'\n",
        replacement: "if (true) return 'fresh'\n",
      },
    ],
    kinds: ['restore', 'weather', 'crash-after-commit', 'swallow-up'],
    shows: ['I6'],
  },
  {
    name: 'what comes down is settled only after the broker said that it took the ready',
    pieces: [
      {
        file: 'uplink/session.ts',
        text: 'connection.publish(up, pack({ epoch: noEpoch, seq: 0, envelope: ready.envelope })).catch(failed)',
        replacement:
          'await connection.publish(up, pack({ epoch: noEpoch, seq: 0, envelope: ready.envelope }))',
      },
    ],
    kinds: ['weather', 'cut'],
    shows: ['I9'],
  },
  {
    name: 'the receiver takes a statement as often as it comes',
    pieces: [
      { file: 'receiver/chains.ts', text: 'return { fresh: false,', replacement: 'return { fresh: true,' },
    ],
    kinds: ['weather', 'replay', 'swallow-down'],
    shows: ['I1'],
  },
  {
    name: 'the server confirms whatever place a hello names',
    pieces: [
      {
        file: 'receiver/receipts.ts',
        text: 'if (exact !== undefined) return extent(store, chain.epoch, { ...asked, ...exact }, room)',
        replacement:
          'if (exact === undefined || asked.seq > 0) return { epoch: chain.epoch, ...asked, holes: [] }',
      },
    ],
    kinds: ['swallow-up', 'restore', 'cut'],
    shows: ['I1', 'I2'],
  },
  {
    name: 'the receiver takes what was meant for another server',
    pieces: [
      {
        file: 'receiver/verify.ts',
        text: 'parties.aud === server.id && parties.akid === box.kid',
        replacement: 'parties.aud !== server.id || parties.akid === box.kid',
      },
    ],
    kinds: ['forward'],
    shows: ['I3', 'I7'],
  },
  {
    name: 'the receiver believes a signature unseen',
    pieces: [
      {
        file: 'receiver/verify.ts',
        text: 'isSignedBy(statement, key) ? {} :',
        replacement: 'isSignedBy(statement, key) || key ? {} :',
      },
    ],
    kinds: ['forge-signature'],
    shows: ['I3', 'I7'],
  },
]
