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

/** Sends through `publish`; a failure is told once and ends the window. */
export function sendWindow(
  custodian: Pick<Custodian, 'due'>,
  publish: (row: Row) => Promise<void>,
  failed: (error: unknown) => void,
): SendWindow {
  const onTheirWay = new Map<number, { epoch: string; seq: number; taken: boolean }>()
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
    after = row.id
    publish(row).then(() => {
      way.taken = true
    }, fail)
  }

  const fail = (error: unknown): void => {
    if (stopped) return
    stopped = true
    failed(error)
  }

  const turn = async (): Promise<void> => {
    do {
      again = false
      const room = size - onTheirWay.size
      if (room <= 0 || stopped) return
      const began = generation
      const rows = await custodian.due(after, room)
      if (stopped) return
      if (began !== generation) {
        again = true
        continue
      }
      for (const row of rows) send(row)
      if (rows.length === room) again = true
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
      return count
    },
    begin(newSize) {
      size = newSize
      after = 0
      generation++
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
