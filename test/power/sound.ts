import { existsSync } from 'node:fs'
import { isFault } from '../../src/base/fault.ts'
import { holderOf } from '../../src/daemon/custody-holder.ts'
import type { CustodySettings } from '../../src/daemon/custody-messages.ts'
import { provenUnder } from '../../src/daemon/custody-proofs.ts'
import { type Outbox, openOutbox } from '../../src/outbox/outbox.ts'
import { covers } from '../../src/outbox/receipts.ts'
import { verifying } from '../../src/outbox/verify.ts'
import { headZero, nextHead } from '../../src/wire/chain.ts'
import { weight } from '../custody/scene.ts'
import type { Told } from './told.ts'

/** What an outbox that was cut off is judged by. */
export interface Judge {
  settings: CustodySettings
  /** The public key under which the server receipts. */
  receiptKey: Uint8Array<ArrayBuffer>
  /** Epochs that the cut-off program opened: none may be gone on with. */
  epochs: ReadonlySet<string>
}

/** What is wrong with the rows: each that was told is there, or was receipted, forgotten, and has its proof. */
function lostRows(outbox: Outbox, told: Told): string[] {
  const wrong: string[] = []
  const rows = outbox.db
    .prepare<[], { epoch: string; seq: number; head: Buffer }>(
      'SELECT epoch.epoch AS epoch, row.seq AS seq, row.head AS head FROM row JOIN epoch ON epoch.id = row.epoch',
    )
    .all()
  const there = new Map(rows.map(({ epoch, seq, head }) => [`${epoch} ${seq}`, head.toString('hex')]))
  const seen = new Set<string>()
  const forgotten = new Map(
    outbox.epochs.all().map(({ id, epoch }) => {
      const gone = outbox.gone.of(id).filter(one => one.why === 'forgotten')
      return [epoch, { gone, receipts: outbox.receipts.of(id) }]
    }),
  )
  for (const { epoch: name, seq, head } of told.taken) {
    const place = `${name} ${seq}`
    if (seen.has(place)) wrong.push(`${place} was given twice`)
    seen.add(place)
    if (there.get(place) === head) continue
    if (there.has(place)) {
      wrong.push(`${place} is another row than was told`)
      continue
    }
    const { gone = [], receipts = [] } = forgotten.get(name) ?? {}
    const isGone = gone.some(one => one.first <= seq && seq <= one.last)
    const isAsked = told.given.some(one => one.epoch === name && covers(one, seq))
    const isProven = receipts.some(one => covers(one, seq))
    if (!isGone || !isAsked || !isProven) wrong.push(`${place} was told and is not there`)
  }
  return wrong
}

/** What else was told to last: the token, and what became of commands. */
function lostWords(outbox: Outbox, told: Told): string[] {
  const wrong: string[] = []
  if (outbox.token() < told.token) wrong.push(`the token fell to ${outbox.token()} from ${told.token}`)
  for (const intent of told.begun) {
    const found = outbox.intents.named(intent)
    if (found === undefined) wrong.push(`the command ${intent} was begun and is not known`)
    else if (told.ended.has(intent) && found.ended === undefined)
      wrong.push(`the command ${intent} was ended and is open`)
  }
  return wrong
}

/** Takes a reading as the next start does; the wrong in that. */
function goesOn(outbox: Outbox, { settings, epochs }: Judge): string[] {
  const holder = holderOf(outbox, settings, false)
  holder.check(1)
  const place = outbox.commit(() => holder.answer({ call: 1, name: 'take', argument: weight(1) })) as {
    epoch: string
    seq: number
  }
  // WIRE 5.4: whatever was lost, no number of before comes again
  if (epochs.has(place.epoch)) return [`${place.epoch} ${place.seq} goes on with an epoch of before the cut`]
  return place.seq === 2 ? [] : [`the first reading of an epoch has number ${place.seq}`]
}

/**
 * Opens an outbox as the daemon does after a power cut: what is wrong with it, a sentence each, nothing if it
 * holds all that was told and goes on. It is changed thereby.
 */
export function faultsOf(judge: Judge, told: Told): string[] {
  const { settings, receiptKey } = judge
  if (!existsSync(settings.path) && told.taken.length > 0) return ['there is no outbox']
  const chain = {
    zero: (epoch: string, server: string, kid: string) =>
      headZero(epoch, { gateway: settings.gateway, server, kid }),
    next: nextHead,
  }
  let outbox: Outbox
  try {
    outbox = openOutbox({ ...settings, chain })
  } catch (error) {
    if (isFault(error)) return [`it cannot be opened: ${error.message}`]
    throw error
  }
  try {
    const said = outbox.db.pragma('integrity_check') as { integrity_check: string }[]
    const wrong = said.flatMap(({ integrity_check: one }) => (one === 'ok' ? [] : [one]))
    const steps = verifying(outbox, 1_000_000, provenUnder(outbox, settings.gateway, [receiptKey]))
    for (;;) {
      const { done, value } = steps.next()
      if (done !== true) continue
      wrong.push(...value.problems.map(({ epoch, seq, problem }) => `${epoch} ${seq} is ${problem}`))
      break
    }
    return [...wrong, ...lostRows(outbox, told), ...lostWords(outbox, told), ...goesOn(outbox, judge)]
  } catch (error) {
    if ((error as { code?: unknown }).code === undefined) throw error
    return [`it cannot be read: ${String(error)}`]
  } finally {
    outbox.close()
  }
}
