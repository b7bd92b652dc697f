/** Whoever something is done for: what is planned for one that is dead is not done. */
export interface Owner {
  name: string
  alive: boolean
}

interface Planned {
  at: number
  order: number
  owner: Owner
  run: (() => unknown) | undefined
  /** Nothing else happens before its promise is kept. */
  alone: boolean
}

/** Node's own, for this process alone: everything else waits by the schedule. */
const turnOfNode = setImmediate
const forever: Owner = { name: 'world', alive: true }

/** The one queue of all that happens in a simulated world: time goes on when nothing is left to do at a moment. */
export class Schedule {
  /** Steady milliseconds. */
  now = 0
  /** How much was done. */
  count = 0
  /** For whom something is being done just now. */
  owner: Owner = forever
  private order = 0
  private readonly heap: Planned[] = []

  /** Plans `run` after so many milliseconds, for whoever is at work now unless another is named; gives its cancel. */
  after(ms: number, run: () => unknown, owner: Owner = this.owner, alone = false): () => void {
    const planned: Planned = { at: this.now + Math.max(0, ms), order: this.order++, owner, run, alone }
    this.push(planned)
    return () => {
      planned.run = undefined
    }
  }

  /** Plans for nobody who could die. */
  always(ms: number, run: () => unknown): () => void {
    return this.after(ms, run, forever)
  }

  /** Does what is planned, in order, until `over` says so or nothing is left. `each` sees the world after each. */
  async run(over: () => boolean, each: () => void): Promise<void> {
    while (!over()) {
      const next = this.pop()
      if (next === undefined) return
      if (next.run === undefined || !next.owner.alive) continue
      this.now = next.at
      this.owner = next.owner
      this.count++
      const done = next.run()
      if (next.alone) await done
      // promises that were kept by it go on now, for the same owner
      await new Promise(resolve => turnOfNode(resolve))
      this.owner = forever
      each()
    }
  }

  private static isBefore(a: Planned, b: Planned): boolean {
    return a.at < b.at || (a.at === b.at && a.order < b.order)
  }

  private push(one: Planned): void {
    const { heap } = this
    let at = heap.push(one) - 1
    while (at > 0) {
      const above = (at - 1) >> 1
      if (!Schedule.isBefore(one, heap[above]!)) break
      heap[at] = heap[above]!
      at = above
    }
    heap[at] = one
  }

  private pop(): Planned | undefined {
    const { heap } = this
    const first = heap[0]
    const one = heap.pop()
    if (one === undefined || heap.length === 0) return first
    let at = 0
    for (;;) {
      let below = at * 2 + 1
      if (below >= heap.length) break
      if (below + 1 < heap.length && Schedule.isBefore(heap[below + 1]!, heap[below]!)) below++
      if (!Schedule.isBefore(heap[below]!, one)) break
      heap[at] = heap[below]!
      at = below
    }
    heap[at] = one
    return first
  }
}

let current = new Schedule()

/** The schedule of the world that is simulated just now. */
export const schedule = (): Schedule => current

/** Begins another world. */
export function beginSchedule(): Schedule {
  current = new Schedule()
  return current
}
