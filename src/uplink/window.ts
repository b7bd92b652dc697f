import type { Custodian, Row } from './custodian.ts'

/**
 * The rows that are on their way: at most `size` that the server has not receipted yet. Reads the outbox
 * in the order of its rows and never twice, unless told to begin again.
 */
export interface SendWindow {
  /** Sends what fits now. Calls while it runs are folded into one more turn. */
  pump(): void
  /** The server confirmed this epoch up to this seq: that many are no longer on their way. */
  confirmed(epoch: string, seq: number): number
  /** Begins again with the oldest unreceipted row, at most `size` on their way. */
  begin(size: number): void
  /** Goes on with at most `size` on their way. */
  widen(size: number): void
  /** Rows on their way. */
  open(): number
  /** Those of them that the broker took, which proves nothing (WIRE 8.5). */
  taken(): number
  stop(): void
}

/** Rows that are read before there is room for them, so that the way need not wait for the disk: at most so many. */
const mostAhead = 128

/** Sends through `publish`; a failure is told once and ends the window. */
export function sendWindow(
  custodian: Pick<Custodian, 'due'>,
  publish: (row: Row) => Promise<void>,
  failed: (error: unknown) => void,
): SendWindow {
  const onTheirWay = new Map<number, { epoch: string; seq: number; taken: boolean }>()
  /** Read and not sent yet, in the order of the outbox. */
  let ready: Row[] = []
  let size = 0
  let after = 0
  let generation = 0
  let running = false
  let again = false
  let stopped = false

  const send = (row: Row): void => {
    const { epoch, seq } = row.parcel
    const way = { epoch, seq, taken: false }
    onTheirWay.set(row.id, way)
    publish(row).then(() => {
      way.taken = true
    }, fail)
  }

  const fail = (error: unknown): void => {
    if (stopped) return
    stopped = true
    failed(error)
  }

  const fill = (): void => {
    while (ready.length > 0 && onTheirWay.size < size && !stopped) send(ready.shift()!)
  }

  const turn = async (): Promise<void> => {
    do {
      again = false
      if (stopped) return
      fill()
      // one at a time is a question, and no flow
      const ahead = size === 1 ? 0 : Math.min(size, mostAhead)
      const limit = size + ahead - onTheirWay.size - ready.length
      if (limit <= ahead / 2) return
      const began = generation
      const rows = await custodian.due(after, limit)
      if (stopped) return
      if (began === generation) {
        ready.push(...rows)
        after = rows.at(-1)?.id ?? after
        fill()
      }
      if (began !== generation || rows.length === limit) again = true
    } while (again)
  }

  const pump = (): void => {
    if (running) {
      again = true
      return
    }
    running = true
    turn()
      .catch(fail)
      .finally(() => {
        running = false
        if (again && !stopped) pump()
      })
  }

  return {
    pump,
    confirmed(epoch, seq) {
      let count = 0
      for (const [id, row] of onTheirWay) {
        if (row.epoch !== epoch || row.seq > seq) continue
        onTheirWay.delete(id)
        count++
      }
      ready = ready.filter(({ parcel }) => parcel.epoch !== epoch || parcel.seq > seq)
      return count
    },
    begin(newSize) {
      size = newSize
      after = 0
      generation++
      ready = []
      onTheirWay.clear()
      pump()
    },
    widen(newSize) {
      size = newSize
      pump()
    },
    open: () => onTheirWay.size,
    taken: () => [...onTheirWay.values()].filter(row => row.taken).length,
    stop() {
      stopped = true
    },
  }
}
