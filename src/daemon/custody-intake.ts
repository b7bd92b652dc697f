import { Fault } from '../base/fault.ts'
import type { Outbox } from '../outbox/outbox.ts'
import type { Draft } from '../wire/chained.ts'
import type { Journal } from './custody-journal.ts'
import type { Room } from './custody-messages.ts'

/** Shares of the intake quota: from the one on it is told that it fills, and anew after it fell below the other. */
const [nearShare, farShare] = [0.8, 0.7]

/** Between two events that tell of refused readings; steady time. */
const refusedEveryMs = 600_000

/** What waits for a receipt and how much of it may, bytes; since when readings are refused, wall time. */
export interface IntakeFacts {
  used: number
  quota: number
  refusingSince: number | null
}

/**
 * Says what may come in, and tells the server when that ends (WIRE 6.4). Its events need no place below the intake
 * quota; of what lies above they leave half to results, deletions and everything else that must always fit.
 */
export interface Intake {
  /**
   * Outside the transaction of the draft: what was forgotten to make room stays forgotten even if it is not enough.
   * Fault `outbox.full`.
   */
  admit(draft: Draft): void
  /** After something was taken, in its transaction. */
  watch(time: Draft['time']): void
  facts(): IntakeFacts
}

/** What devices said: it is refused where there is no room, all else always fits. */
const comesIn = ({ type, members }: Draft): boolean =>
  type === 'reading' || (type === 'event' && ['frame-kept', 'capture-part'].includes(members.event))

/** The intake of this outbox, as large as it may be just now; `prove` stores the receipts under which rows are forgotten. */
export function intakeOf(outbox: Outbox, room: () => Room, journal: Journal, prove: () => void): Intake {
  const { epochs, db } = outbox
  const remember = db.prepare(
    "INSERT INTO meta VALUES ('near', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
  )
  const remembered = db.prepare<[], { value: number }>("SELECT value FROM meta WHERE name = 'near'")
  // a start is no new crossing
  journal.memory.intake.near = remembered.get()?.value === 1

  /** Rows that are kept for the grace period alone make room by themselves: they are no reason for alarm. */
  const waitingBytes = (): number => {
    const rows = epochs.all()
    const queued = rows.reduce((sum, one) => sum + one.queued, 0)
    const all = rows.reduce((sum, one) => sum + one.queued + one.receipted, 0)
    return all === 0 ? 0 : Math.floor((outbox.usedBytes() * queued) / all)
  }

  const setNear = (near: boolean): void => {
    remember.run(near ? 1 : 0)
    journal.memory.intake = { ...journal.memory.intake, near }
  }

  const tellRefused = (time: Draft['time'], used: number): void => {
    const { toldMono } = journal.memory.intake
    if (toldMono !== undefined && time.mono - toldMono < refusedEveryMs) return
    const { intakeBytes, quotaBytes } = room()
    if (used >= (intakeBytes + quotaBytes) / 2) return
    const detail = { used, quota: intakeBytes }
    const before = journal.mark()
    try {
      outbox.commit(() => journal.write('event', time, { event: 'intake-refused', detail }))
    } catch (error) {
      journal.restore(before)
      throw error
    }
    journal.memory.intake = { ...journal.memory.intake, toldMono: time.mono }
  }

  return {
    admit(draft) {
      if (!comesIn(draft)) return
      const { memory } = journal
      if (outbox.hasRoom() || outbox.commit(() => outbox.admit(prove))) {
        if (memory.intake.refusingSince !== null) memory.intake = { ...memory.intake, refusingSince: null }
        return
      }
      memory.since.refused += 1
      memory.intake = {
        ...memory.intake,
        refusingSince: memory.intake.refusingSince ?? draft.time.wall,
      }
      const used = outbox.usedBytes()
      tellRefused(draft.time, used)
      throw new Fault('outbox.full', `outbox holds ${used} bytes, the quota is ${room().intakeBytes}`, {
        hint: 'connect the gateway to its server: what it receipts makes room again',
      })
    },
    watch(time) {
      const { intakeBytes } = room()
      const { near } = journal.memory.intake
      if (!near && outbox.usedAtMost() < intakeBytes * nearShare) return
      const used = waitingBytes()
      if (near && used < intakeBytes * farShare) setNear(false)
      if (near || used < intakeBytes * nearShare) return
      setNear(true)
      journal.write('event', time, { event: 'intake-near-full', detail: { used, quota: intakeBytes } })
    },
    facts: () => ({
      used: waitingBytes(),
      quota: room().intakeBytes,
      refusingSince: journal.memory.intake.refusingSince,
    }),
  }
}
